"""Victims as safetensors and back: the same weights, nothing that could execute code, smp's own folders too."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from benchmark.errors import InputError
from benchmark.victims.checkpoint_io import save_checkpoint
from benchmark.victims.fingerprints import tensors_sha256, victim_sha256, weights_sha256
from benchmark.victims.loading import build_victim, load_victim, restore_victim
from benchmark.victims.safetensors_io import KEY, read_victim, save_victim
from tests.victims.adapters.own_networks import Small

SMALL: dict[str, Any] = {
    "architecture": "unet",
    "encoder": "resnet18",
    "options": {"encoder_depth": 2, "decoder_channels": [8, 4]},
}


def small(**config: Any) -> Any:
    torch.manual_seed(0)
    return build_victim(classes=2, background=0, channels=3, **(SMALL | config)).eval()


@pytest.mark.parametrize(
    "config", [{}, {"head": "sigmoid", "mean": [0.1, 0.2, 0.3]}, {"transform": ["jpeg"], "window": 16}]
)
def test_there_and_back(tmp_path: Path, config: dict[str, Any]) -> None:
    victim = small(**config)
    save_victim(victim.hparams, victim.state_dict(), tmp_path / "a.safetensors", {"licence": "mit"})
    saved, weights = read_victim(tmp_path / "a.safetensors")
    assert saved == dict(victim.hparams)
    assert tensors_sha256(weights) == weights_sha256(victim)
    save_checkpoint(saved, weights, tmp_path / "a.ckpt")
    again = load_victim(tmp_path / "a.ckpt", classes=2, channels=3)
    assert victim_sha256(again) == victim_sha256(victim)
    images = torch.rand(1, 3, 21, 18)
    assert torch.equal(again(images), victim(images))
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert json.loads(file.metadata()[KEY])["licence"] == "mit"


def test_what_is_around_a_network_makes_it_another_victim() -> None:
    plain, defended = small(), small(transform=["jpeg"])
    assert weights_sha256(plain) == weights_sha256(defended) == victim_sha256(plain)
    assert victim_sha256(defended) != victim_sha256(plain)
    assert victim_sha256(defended) != victim_sha256(small(transform=["median"]))


@pytest.mark.parametrize(("outputs", "head"), [(1, "sigmoid"), (2, "softmax"), (4, "softmax")])
def test_a_folder_of_smps_save_pretrained(tmp_path: Path, outputs: int, head: str) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    given = {"encoder_depth": 3, "decoder_channels": [8, 8, 4]}
    model = smp.create_model("unet", "resnet18", None, in_channels=1, classes=outputs, **given).eval()
    model.save_pretrained(tmp_path)
    for place in (tmp_path, tmp_path / "model.safetensors"):
        victim = restore_victim(*read_victim(place), tmp_path)
        assert (victim.hparams["head"], victim.outputs, victim.hparams["channels"]) == (head, outputs, 1)
        images = torch.rand(2, 1, 16, 24)
        assert torch.equal(victim(images), model((images - 0.5) / 0.5))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_model_class": "Unett"}, "_model_class 'unett' is no architecture of this smp"),
        ({"_model_class": None}, "is no config.json of smp's save_pretrained"),
        ({"activation": "sigmoid"}, "with activation the network does not return logits alone"),
    ],
)
def test_smp_folders_that_cannot_be_taken(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "model.safetensors")
    said = {"_model_class": "Unet", "classes": 2, "encoder_name": "resnet18", "in_channels": 3}
    (tmp_path / "config.json").write_text(json.dumps(said | change))
    with pytest.raises(InputError, match=re.escape(message)):
        read_victim(tmp_path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        read_victim(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_victim(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match=r"text\.safetensors: is no readable safetensors file"):
        read_victim(tmp_path / "text.safetensors")
    save_file({"w": torch.ones(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="does not say what network it is of"):
        read_victim(tmp_path / "bare.safetensors")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("no json", "its metadata cannot be read"),
        (json.dumps({"format": 9, "hyper_parameters": {}}), "is of format 9, this reads 1"),
        (json.dumps({"format": 1, "hyper_parameters": {"factory": "os:system"}}), "hyper-parameters no victim has"),
    ],
)
def test_metadata_of_something_else(tmp_path: Path, said: str, message: str) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "a.safetensors", metadata={KEY: said})
    with pytest.raises(InputError, match=message):
        read_victim(tmp_path / "a.safetensors")


def test_a_file_cannot_choose_a_program_to_run(tmp_path: Path) -> None:
    save_victim(
        {"architecture": "torchscript", "classes": 2, "channels": 3},
        Small().state_dict(),
        tmp_path / "a.safetensors",
        {},
    )
    saved, weights = read_victim(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"give victim=torchscript victim\.program=\.\.\."):
        restore_victim(saved, weights, tmp_path / "a.safetensors")
