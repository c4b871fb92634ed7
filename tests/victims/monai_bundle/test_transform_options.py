"""Every option of a transform is done as MONAI does it, changes no image, or is refused by file, place and name."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims import adapters
from tests.victims.monai_bundle.bundles import LEVELS, PREPROCESSING, bundle, configuration, given_to, made, of_monai

BOTH: dict[str, Any] = {"keys": ["label", "image"], "allow_missing_keys": True}
RESIZED = {"_target_": "Resized", "spatial_size": [16, 24]}
PADDED = {"_target_": "SpatialPadd", "spatial_size": [40, 40]}


@pytest.mark.parametrize(
    "transform",
    [
        RESIZED | BOTH | {"mode": ["nearest", "bilinear"]},
        RESIZED | BOTH | {"mode": ["bilinear", "nearest"]},
        RESIZED | BOTH | {"mode": ["nearest", "bilinear"], "align_corners": [None, True]},
        RESIZED | BOTH | {"mode": ["bilinear", "area"], "align_corners": [True, None], "anti_aliasing": [True, False]},
        RESIZED | BOTH | {"mode": ["nearest", "bicubic"], "dtype": ["$torch.uint8", "$np.float64"]},
        RESIZED | BOTH | {"keys": ["image", "label", "mask"], "mode": ["bicubic", "area", "nearest"]},
        PADDED | BOTH | {"mode": ["edge", "constant"]},
        PADDED | BOTH | {"mode": ["constant", "replicate"], "method": "end"},
        PADDED | {"keys": "image", "value": 0.25, "lazy": False},
        PADDED | {"keys": "image", "mode": "circular"},
        {"_target_": "DivisiblePadd", "k": [16, 20], "mode": ["edge", "reflect"]} | BOTH,
        {"_target_": "EnsureTyped", "dtype": ["$torch.uint8", "$torch.float32"]} | BOTH,
        {"_target_": "EnsureTyped", "keys": "image", "dtype": "float64", "data_type": "tensor", "track_meta": True},
        {"_target_": "CastToTyped", "keys": "image", "dtype": "$numpy.float32"},
        {"_target_": "ScaleIntensityd", "keys": "image", "dtype": None, "minv": 2, "maxv": 3},
        {"_target_": "ScaleIntensityd", "keys": "image", "dtype": "@precision", "maxv": None},
        {"_target_": "NormalizeIntensityd", "keys": "image", "dtype": "$np.float32", "divisor": 0},
        {"_target_": "Compose", "transforms": [RESIZED | {"keys": "image"}, PADDED | {"keys": "image"}], "lazy": False},
    ],
)  # fmt: skip
def test_options_are_done_as_monai_does_them(tmp_path: Path, transform: dict[str, Any]) -> None:
    config = configuration([*PREPROCESSING, transform]) | {"precision": "$torch.float32"}
    folder = bundle(tmp_path / "bundle", config)
    expected = of_monai(folder, tmp_path).float()
    torch.testing.assert_close(given_to(made(folder), LEVELS / 255), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "loading",
    [
        [{"ensure_channel_first": True}],
        [{"ensure_channel_first": True}, {"channel_dim": 0}],
        [{"reverse_indexing": False, "reader": "PILReader"}, {"channel_dim": -1}],
        [{"dtype": "$np.uint8", "image_only": True}, {"channel_dim": 2, "strict_check": False}],
    ],
)
def test_ways_to_load_a_picture(tmp_path: Path, loading: list[dict[str, Any]]) -> None:
    targets = ("LoadImaged", "EnsureChannelFirstd")
    transforms = [{"_target_": target, "keys": "image"} | one for target, one in zip(targets, loading, strict=False)]
    folder = bundle(tmp_path / "bundle", configuration([*transforms, *PREPROCESSING[2:]]))
    torch.testing.assert_close(given_to(made(folder), LEVELS / 255), of_monai(folder, tmp_path), rtol=1e-4, atol=1e-4)


FIRST = {"_target_": "EnsureChannelFirstd"}
SCALED = {"_target_": "ScaleIntensityd"}
RANGED = {"_target_": "ScaleIntensityRanged", "a_min": 0, "a_max": 1}


@pytest.mark.parametrize(
    ("transform", "option"),
    [
        ({"_target_": "EnsureTyped", "dtype": "$torch.uint8"}, "dtype=torch.uint8: changes values"),
        ({"_target_": "EnsureTyped", "dtype": "uint8"}, "dtype=uint8"),
        ({"_target_": "EnsureTyped", "dtype": "$torch.float16"}, "dtype=torch.float16"),
        ({"_target_": "EnsureTyped", "dtype": "@small"}, "dtype=torch.int32"),
        ({"_target_": "EnsureTyped", "dtype": "$torch.int if 1 else 2"}, "dtype=.*is an expression"),
        ({"_target_": "ToTensord", "dtype": "int64"}, "dtype=int64"),
        ({"_target_": "CastToTyped", "dtype": "$np.uint8"}, "dtype=torch.uint8"),
        ({"_target_": "EnsureTyped", "data_type": "list"}, "data_type=list"),
        (SCALED | {"dtype": "$np.uint8"}, "dtype=torch.uint8"),
        (SCALED | {"minv": "0"}, "minv='0': must be a number"),
        (SCALED | {"maxv": [1, 2]}, "maxv=.*must be a number"),
        (SCALED | {"channel_wise": "yes"}, "channel_wise=yes: must be true or false"),
        (RANGED | {"dtype": "bfloat16"}, "dtype=bfloat16"),
        (RANGED | {"a_max": 0}, "a_max=0.*another number"),
        (RANGED | {"a_min": None}, "a_min=None: must be a number"),
        (RANGED | {"clip": True}, "clip=True: needs"),
        ({"_target_": "NormalizeIntensityd", "divisor": [1, 2], "channel_wise": True}, "2 values for 3 channels"),
        ({"_target_": "NormalizeIntensityd", "subtrahend": [1, 2, 3]}, "subtrahend=.*channel_wise"),
        ({"_target_": "NormalizeIntensityd", "subtrahend": 1, "channel_wise": True}, "subtrahend=.*channel_wise"),
        ({"_target_": "NormalizeIntensityd", "dtype": "uint8"}, "dtype=uint8"),
        (RESIZED | {"spatial_size": "40"}, "spatial_size='40': must be two whole"),
        (RESIZED | {"spatial_size": 40}, "spatial_size=40: must be two whole"),
        (RESIZED | {"spatial_size": [16, 16, 16]}, "spatial_size=.*2 dimensions"),
        (RESIZED | {"spatial_size": [16.5, 16]}, "spatial_size="),
        (RESIZED | {"spatial_size": [True, 16]}, "spatial_size="),
        (RESIZED | {"spatial_size": [40000, 16]}, "spatial_size=.*at most 4096"),
        (RESIZED | {"spatial_size": [40], "size_mode": "longest"}, "spatial_size=.*whole number from 1"),
        (RESIZED | {"spatial_size": 9999, "size_mode": "longest"}, "spatial_size=9999"),
        (RESIZED | {"size_mode": "shortest"}, "size_mode=shortest"),
        (RESIZED | {"mode": "trilinear"}, "mode=trilinear"),
        (RESIZED | {"mode": ["nearest", "bilinear"]}, "mode=.*2 values|mode=.*1 values"),
        (RESIZED | {"mode": "area", "align_corners": True}, "align_corners=True"),
        (RESIZED | {"anti_aliasing": True}, "anti_aliasing=True"),
        (RESIZED | {"lazy": True}, "lazy=True"),
        (RESIZED | {"interpolation": 1}, "interpolation=1: not supported"),
        (PADDED | {"mode": "wrap"}, "mode=wrap"),
        (PADDED | {"mode": "mean"}, "mode=mean"),
        (PADDED | {"mode": ["edge", "wrap"], "keys": ["label", "image"]}, "mode=wrap"),
        (PADDED | {"mode": 0}, "mode=0"),
        (PADDED | {"method": "start"}, "method=start"),
        (PADDED | {"spatial_size": "a"}, "spatial_size=a"),
        (PADDED | {"spatial_size": [1e9, 5]}, "spatial_size=.*at most 4096"),
        (PADDED | {"value": "7"}, "value='7'"),
        (PADDED | {"value": 7, "mode": "edge"}, "value=7"),
        ({"_target_": "DivisiblePadd", "k": 0}, "k=0: must be a whole number, or two of them from 1"),
        ({"_target_": "DivisiblePadd", "k": [16, -1]}, "k=.*from 1"),
        ({"_target_": "DivisiblePadd", "k": 10**6}, "k=1000000"),
        ({"_target_": "Orientationd", "axcodes": "RA", "labels": [["A", "B"]]}, "labels="),
        ({"_target_": "Spacingd", "pixdim": [1, 1], "min_pixdim": 2}, "min_pixdim=2"),
        ({"_target_": "Orientationd", "axcodes": 3}, "axcodes=3"),
        ({"_target_": "Orientationd"}, "axcodes=None"),
        ({"_target_": "Orientationd", "axcodes": "RA", "labels": 3}, "labels=3"),
        ({"_target_": "ScaleIntensityd", "minv": "@many0"}, "references lead in a circle, or to too many values"),
        ({"_target_": "DeleteItemsd"}, "takes the image away"),
        ({"_target_": "Compose", "transforms": [], "lazy": True}, "lazy=True"),
        ({"_target_": "Compose", "transforms": [PADDED | {"keys": "image", "mode": "mean"}]}, "mode=mean"),
        (FIRST | {"channel_dim": 0}, "channel_dim=0|channel_dim"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_at_load(tmp_path: Path, transform: dict[str, Any], option: str) -> None:
    transforms = [*PREPROCESSING, {"keys": "image"} | transform]
    if transform["_target_"] == "Compose":
        transforms[-1].pop("keys")
    if transform["_target_"] == FIRST["_target_"]:
        transforms[1:2] = [transforms.pop()]
    many = {f"many{index}": [f"@many{index + 1}"] * 10 for index in range(9)} | {"many9": [0]}
    folder = bundle(tmp_path / "bundle", configuration(transforms) | many | {"small": "$torch.int32"})
    with pytest.raises(InputError, match=rf"inference\.json: preprocessing.*{option}") as caught:
        made(folder)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).count("inference.json") == 1


@pytest.mark.parametrize("axis", ["no_channel", 0, 1, "2", True])
def test_an_axis_that_is_not_the_channel_is_refused(tmp_path: Path, axis: Any) -> None:
    transforms = [PREPROCESSING[0], FIRST | {"keys": "image", "channel_dim": axis}, *PREPROCESSING[2:]]
    with pytest.raises(
        InputError, match=rf"EnsureChannelFirstd\.channel_dim={axis if axis != '2' else repr(axis)}: turns axes"
    ):
        made(bundle(tmp_path / "bundle", configuration(transforms)))


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        (PREPROCESSING[:1], "preprocessing: the channel stays last; add EnsureChannelFirstd"),
        ([PREPROCESSING[0], {"keys": "image"} | RESIZED, PREPROCESSING[1]], "Resized: stands before Ensure"),
        ([PREPROCESSING[0], PREPROCESSING[1], PREPROCESSING[1]], "channel_dim=None: turns axes"),
        ([PREPROCESSING[0] | {"dtype": "uint8"}, PREPROCESSING[1], PREPROCESSING[2] | {"a_min": 9}], "a_min=9.*wraps"),
        ([PREPROCESSING[0] | {"dtype": "bool"}, PREPROCESSING[1]], "dtype=bool"),
    ],
)  # fmt: skip
def test_channels_and_levels_have_to_be_those_of_the_picture(
    tmp_path: Path, transforms: list[Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        made(bundle(tmp_path / "bundle", configuration(transforms)))


def test_a_grey_picture_has_no_channel(tmp_path: Path) -> None:
    transforms = [PREPROCESSING[0], FIRST | {"keys": "image", "channel_dim": "no_channel"}, *PREPROCESSING[2:]]
    config = configuration(transforms) | {"channels": 1}
    folder = bundle(tmp_path / "bundle", config)
    (tmp_path / "bundle" / "configs" / "metadata.json").unlink()
    from monai.networks.nets import UNet

    torch.save(UNet(2, 1, 2, channels=[4, 8], strides=[2]).state_dict(), tmp_path / "bundle" / "models" / "model.pt")
    network = adapters.make("monai", {"folder": folder}, 1, 2).eval()
    torch.testing.assert_close(given_to(network, LEVELS[:, :1] / 255), LEVELS[:, :1].mT / 255)
    transforms[1]["channel_dim"] = -1
    other = bundle(tmp_path / "other", configuration(transforms) | {"channels": 1})
    (tmp_path / "other" / "configs" / "metadata.json").unlink()
    with pytest.raises(InputError, match=r"channel_dim=-1: turns axes round for 1 channels"):
        adapters.make("monai", {"folder": other}, 1, 2)
