"""An nnU-Net victim normalises and slides as its plans say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims.adapters.nnunet import network as nnunet_network
from benchmark.victims.weights import read_tensors
from tests.victims.adapters import nnunet_reference
from tests.victims.adapters.own_networks import OUTPUTS, nnunet


@pytest.fixture
def trained_nnunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return Path(nnunet(tmp_path)["folder"])


def plain_network(folder: Path) -> nn.Module:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, OUTPUTS, 1)).double()
    plain.load_state_dict(read_tensors(folder / "fold_0" / "checkpoint_final.pth", "victim.folder"))
    return plain


def expected_logits(folder: Path, picture: Any, **how: Any) -> Tensor:
    plain = plain_network(folder)
    crop = nnunet_reference.network_input(picture, **how)
    with torch.no_grad():
        inside = nnunet_reference.slid(lambda x: plain(torch.from_numpy(x)[None])[0].numpy(), crop, (32, 24))
    return torch.from_numpy(inside)


def framed(seed: int = 0) -> Any:
    """A picture (3, 60, 50) with a black frame, and black in the middle of what it shows."""
    picture = np.zeros((3, 60, 50))
    picture[:, 5:48, 9:41] = np.random.default_rng(seed).integers(1, 256, (3, 43, 32))
    picture[:, 5:9, 9:15] = 0
    picture[0, 5, 20] = 0
    picture[:, 20:24, 20:22] = 0
    return picture


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reader", ["NaturalImage2DIO", "SimpleITKIO"])
def test_nnunet_crops_to_what_is_not_zero(trained_nnunet: Path, reader: str, masked: bool) -> None:
    schemes = ["ZScoreNormalization", "RescaleTo01Normalization", "ZScoreNormalization"]
    folder = changed(
        trained_nnunet,
        "plans.json",
        lambda c: c.update(normalization_schemes=schemes, use_mask_for_norm=[masked, False, False]),
    )
    plans = json.loads((trained_nnunet / "plans.json").read_text())
    (trained_nnunet / "plans.json").write_text(json.dumps(plans | {"image_reader_writer": reader}))
    made = nnunet_network(folder, channels=3, outputs=OUTPUTS).double()
    whole = np.random.default_rng(1).integers(1, 256, (3, 60, 50))
    pictures = [framed(), whole, framed(2)]
    images = torch.from_numpy(np.stack(pictures)) / 255
    images[0, 0, 0, 0] = 0.4 / 255  # less than half of a level, as an attack may leave it
    found = made(images)
    how = {"schemes": schemes, "masked": [masked, False, False], "flat": reader == "NaturalImage2DIO"}
    for picture, logits in zip(pictures, found, strict=True):
        top, bottom, left, right = nnunet_reference.box(picture)
        expected = expected_logits(trained_nnunet, picture, **how)
        torch.testing.assert_close(logits[:, top:bottom, left:right], expected, rtol=1e-3, atol=1e-3)
        outside = torch.ones(60, 50, dtype=torch.bool)
        outside[top:bottom, left:right] = False
        assert bool((logits.argmax(0)[outside] == 0).all())
    torch.testing.assert_close(found[:1], made(images[:1]))


def test_nnunet_has_gradients_in_the_box_also_of_one_colour(trained_nnunet: Path) -> None:
    made = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS)
    images = torch.from_numpy(np.stack([framed(), np.zeros((3, 60, 50)), np.full((3, 60, 50), 9)])).float() / 255
    images.requires_grad_()
    made(images).square().sum().backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())
    assert float(images.grad[0, :, 5:48, 9:41].abs().max()) > 0
    assert float(images.grad[0, :, :5].abs().max()) == 0


@pytest.mark.parametrize("allowed", [(0, 1), (1,), None])
def test_nnunet_mirrors_along_the_axes_of_its_checkpoint(trained_nnunet: Path, allowed: Any) -> None:
    file = trained_nnunet / "fold_0" / "checkpoint_final.pth"
    contents = {"network_weights": read_tensors(file, "victim.folder"), "inference_allowed_mirroring_axes": allowed}
    torch.save(contents, file)
    made = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS)
    flipped = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS, mirror=True)
    images = torch.rand(2, 3, 32, 24)  # a single window
    axes: list[tuple[int, ...]] = {None: [()], (1,): [(), (3,)]}.get(allowed, [(), (2,), (3,), (2, 3)])
    torch.testing.assert_close(flipped(images), torch.stack([made(images.flip(a)).flip(a) for a in axes]).mean(0))


def test_nnunet_regions_that_overlap(trained_nnunet: Path) -> None:
    regions = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    dataset = {"labels": regions, "regions_class_order": [1, 2, 3]}
    folder = changed(trained_nnunet, "dataset.json", lambda c: c.update(dataset))
    made = nnunet_network(folder, channels=3, outputs=OUTPUTS, head="multilabel")
    logits = made(torch.from_numpy(framed())[None].float() / 255)
    assert bool((logits[:, :, :5] < 0).all())
    with pytest.raises(InputError, match=r"overlapping regions, not classes; set victim\.head=multilabel"):
        nnunet_network(folder, channels=3, outputs=OUTPUTS)
    with pytest.raises(InputError, match="predicts 3 regions, the data have 2 labels"):
        nnunet_network(folder, channels=3, outputs=2, head="multilabel")


def test_nnunet_classes_are_no_regions(trained_nnunet: Path) -> None:
    with pytest.raises(InputError, match=r"predicts classes, not overlapping regions; set victim\.head=softmax"):
        nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS, head="multilabel")


def test_nnunet_configurations_inherit_from_each_other(trained_nnunet: Path) -> None:
    plans = json.loads((trained_nnunet / "plans.json").read_text())
    plans["configurations"] |= {
        "2d_half": {"inherits_from": "2d", "patch_size": [16, 12]},
        "2d_half_large": {"inherits_from": "2d_half", "batch_size": 64},
        "2d_wide": {"inherits_from": "2d_half_large", "patch_size": [16, 48]},
    }
    plans["transpose_forward"] = [0, 2, 1]
    (trained_nnunet / "plans.json").write_text(json.dumps(plans))
    for configuration, side in (("2d_half_large", (16, 12)), ("2d_wide", (16, 48))):
        made = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS, configuration=configuration)
        shown: list[Tensor] = []
        made.network.register_forward_pre_hook(lambda module, inputs, to=shown: to.append(inputs[0]))  # type: ignore[union-attr]
        assert made(torch.rand(1, 3, 20, 10)).shape == (1, OUTPUTS, 20, 10)
        assert tuple(shown[0].shape[2:]) == side


def changed(folder: Path, file: str, change: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads((folder / file).read_text())
    change(content["configurations"]["2d"] if file == "plans.json" else content)
    (folder / file).write_text(json.dumps(content))
    return str(folder)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("plans.json", lambda c: c["architecture"].update(network_class_name="os.system"), "names os.system"),
        (
            "plans.json",
            lambda c: c["architecture"].update(network_class_name="dynamic_network_architectures.os.system"),
            "which is no network or layer",
        ),
        ("plans.json", lambda c: c["architecture"]["arch_kwargs"].update(conv_op="torch.load"), "names torch.load"),
        ("plans.json", lambda c: c["architecture"]["arch_kwargs"].update(width=5), "weights do not fit"),
        ("plans.json", lambda c: c.pop("architecture"), "do not name a network"),
        ("plans.json", lambda c: c.update(patch_size=[8, 8, 8]), "works on 3 dimensions"),
        ("plans.json", lambda c: c.update(use_mask_for_norm=[True]), r"use_mask_for_norm=\[True\]: has not one value"),
        ("plans.json", lambda c: c.update(inherits_from="2d"), "inherits_from=2d in 2d inherits from itself"),
        ("plans.json", lambda c: c.update(inherits_from="2d_lowres"), "inherits_from=2d_lowres in 2d is not there"),
        ("plans.json", lambda c: c.update(previous_stage="3d_lowres"), "previous_stage=3d_lowres: not supported"),
        ("plans.json", lambda c: c.update(preprocessor_name="Mine"), "preprocessor_name=Mine: not supported"),
        ("plans.json", lambda c: c.update(sharpen=2), "sharpen=2: nnU-Net 2 has no such key; use victim=python"),
        (
            "plans.json",
            lambda c: c.update(normalization_schemes=["CTNormalization"] * 3),
            "no intensities of channel 0",
        ),
        ("dataset.json", lambda c: c.update(labels={"background": 0, "a": 1, "b": 3}), "do not count from 0"),
        ("dataset.json", lambda c: c.update(labels={"a": 0, "background": 1, "b": 2}), "do not count from 0"),
        ("dataset.json", lambda c: c.update(regions_class_order=[1, 2]), "overlapping regions"),
        ("plans.json", lambda c: c.update(normalization_schemes=["Mine"] * 3), "normalises by Mine"),
        ("dataset.json", lambda c: c.update(channel_names={"0": "CT"}), "takes images of 1 channels, the data have 3"),
        ("dataset.json", lambda c: c["labels"].pop("cup"), "tells 2 classes apart, the data have 3"),
        ("dataset.json", lambda c: c["labels"].update(cup=[1, 2]), "overlapping regions"),
    ],
)
def test_nnunet_plans_that_cannot_be_followed(trained_nnunet: Path, file: str, change: Any, message: str) -> None:
    folder = changed(trained_nnunet, file, change)
    with pytest.raises(InputError, match=message) as caught:
        nnunet_network(folder, channels=3, outputs=OUTPUTS)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("NoNormalization", lambda grey: grey),
        ("RGBTo01Normalization", lambda grey: grey / 255),
        ("RescaleTo01Normalization", lambda grey: (grey - 51) / 153),
        ("CTNormalization", lambda grey: (grey.clamp(100, 180) - 120) / 40),
    ],
)
def test_nnunet_normalisations(trained_nnunet: Path, scheme: str, expected: Callable[[Tensor], Tensor]) -> None:
    def change(configuration: dict[str, Any]) -> None:
        configuration.update(normalization_schemes=[scheme] * 3)

    folder = changed(trained_nnunet, "plans.json", change)
    content = json.loads((trained_nnunet / "plans.json").read_text())
    of = {"percentile_00_5": 100, "percentile_99_5": 180, "mean": 120, "std": 40}
    content["foreground_intensity_properties_per_channel"] = {str(channel): of for channel in range(3)}
    (trained_nnunet / "plans.json").write_text(json.dumps(content))
    made = nnunet_network(folder, channels=3, outputs=OUTPUTS)
    grey = torch.linspace(51, 204, 12).view(1, 1, 3, 4).expand(1, 3, 3, 4)
    shown: list[Tensor] = []
    made.network.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0]))  # type: ignore[union-attr]
    made(grey / 255)
    torch.testing.assert_close(shown[0][..., 14:17, 10:14], expected(grey), rtol=1e-5, atol=1e-4)
