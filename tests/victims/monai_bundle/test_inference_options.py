"""Every option of an inferer and of postprocessing is done as MONAI does it, is harmless, or is refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from tests.victims.monai_bundle.bundles import LEVELS, PREPROCESSING, bundle, configuration, made, parsed, picture

RESIZED = {"_target_": "Resized", "spatial_size": [16, 24], "keys": "image"}
PADDED = {"_target_": "SpatialPadd", "spatial_size": [40, 40], "keys": "image"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roi_size": "40"}, "roi_size='40'"),
        ({"roi_size": [100000, 8]}, "at most 4096"),
        ({}, "roi_size=None"),
        ({"roi_size": 8, "overlap": 1.0}, "overlap=1.0: must be from 0 to below 1"),
        ({"roi_size": 8, "mode": "linear"}, "mode=linear"),
        ({"roi_size": 8, "padding_mode": "wrap"}, "padding_mode=wrap"),
        ({"roi_size": 8, "cval": "a"}, "cval=a"),
        ({"roi_size": 8, "window": 1}, "window=1: not supported"),
    ],
)
def test_options_of_windows(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    config = configuration(inferer={"_target_": "SlidingWindowInferer"} | options)
    with pytest.raises(InputError, match=rf"inference\.json: inferer.*({message})"):
        made(bundle(tmp_path / "bundle", config))


@pytest.mark.parametrize("options", [{}, {"nearest_interp": False}, {"nearest_interp": [True]}, None])
@pytest.mark.parametrize("mode", [{"mode": "bilinear", "align_corners": True}, {"mode": "area"}])
def test_predictions_are_inverted_as_monai_inverts_them(
    tmp_path: Path, options: dict[str, Any] | None, mode: dict[str, Any]
) -> None:
    from monai.data import MetaTensor
    from monai.transforms import Invertd

    config = configuration([*PREPROCESSING, RESIZED | mode, PADDED])
    inverted = {"_target_": "Invertd", "keys": "pred", "orig_keys": "image", "transform": "@preprocessing"}
    if options is not None:
        config["postprocessing"]["transforms"].insert(0, inverted | options)
    folder = bundle(tmp_path / "bundle", config)
    network = made(folder)
    preprocess = parsed(folder, "preprocessing")
    loaded = preprocess({"image": picture(tmp_path, LEVELS[0])})
    given = loaded["image"].as_tensor()[None]
    with torch.no_grad():
        prediction = MetaTensor(network.network(given)[0])  # type: ignore[operator]
        found = network(LEVELS[:1] / 255)[0]
    own = {"nearest_interp": False} if options is None else options
    invert = Invertd("pred", preprocess, orig_keys="image", **own)
    expected = invert(loaded | {"pred": prediction})["pred"].as_tensor().mT
    if options is None:  # without it MONAI keeps the size of the network; here it is bilinear
        assert found.shape == expected.shape
    else:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"_target_": "Activationsd", "keys": "pred", "other": "$torch.tanh"}, "other=.*expression"),
        ({"_target_": "AsDiscreted", "keys": "pred", "rounding": "torchrounding"}, "rounding=torchrounding"),
        ({"_target_": "AsDiscreted", "keys": ["label", "pred"], "threshold": [0.5, 0.7]}, "victim.threshold=0.7"),
        ({"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "post_func": "$f"}, "post_func"),
        ({"_target_": "Invertd", "keys": "pred", "nearest_interp": "no"}, "nearest_interp=no"),
        ({"_target_": "EnsureTyped", "keys": "pred", "dtype": "$torch.uint8"}, "dtype=torch.uint8"),
    ],
)
def test_options_of_postprocessing(tmp_path: Path, step: dict[str, Any], message: str) -> None:
    config = configuration()
    config["postprocessing"]["transforms"][0] = step
    with pytest.raises(InputError, match=rf"postprocessing: {step['_target_']}.*{message}"):
        made(bundle(tmp_path / "bundle", config))
