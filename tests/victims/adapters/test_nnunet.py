"""An nnU-Net victim normalises and slides as its plans say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims.adapters.nnunet import network as nnunet_network
from benchmark.victims.weights import read_tensors
from tests.victims.adapters.own_networks import OUTPUTS, nnunet


@pytest.fixture
def trained_nnunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return Path(nnunet(tmp_path)["folder"])


def test_nnunet_normalises_the_whole_image_and_slides(trained_nnunet: Path) -> None:
    from benchmark.victims.deployment.sliding_window import slide

    made = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS)
    weights = read_tensors(trained_nnunet / "fold_0" / "checkpoint_final.pth", "victim.folder")
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, OUTPUTS, 1))
    plain.load_state_dict(weights)
    images = torch.rand(2, 3, 50, 37)
    grey = images * 255
    flat = grey.flatten(2)
    normalised = (grey - flat.mean(2)[..., None, None]) / flat.std(2, correction=0)[..., None, None]
    torch.testing.assert_close(made(images), slide(plain, normalised, (32, 24)), rtol=1e-4, atol=1e-5)
    flipped = nnunet_network(str(trained_nnunet), channels=3, outputs=OUTPUTS, mirror=True)(images)
    mirrored: list[Tensor] = [made(images.flip(axes)).flip(axes) for axes in ((2,), (3,), (2, 3))]
    # A small convolution's border is the same from both sides, and windows lie symmetrically.
    torch.testing.assert_close(flipped, torch.stack([made(images), *mirrored]).mean(0), rtol=1e-3, atol=1e-3)


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
        ("plans.json", lambda c: c.update(use_mask_for_norm=[True] * 3), "use_mask_for_norm"),
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
    torch.testing.assert_close(shown[0][..., :3, :4], expected(grey), rtol=1e-5, atol=1e-4)
