"""Data, checkpoints and models that cannot be used: one line with file, value and cure, and nothing left behind."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.pickled_call import PickledCall


@pytest.fixture
def on_pairs(refused, pairs: Path):
    """Refusals of data=folder over `pairs`."""

    def run(*arguments: str | Path) -> str:
        return refused(*arguments, base=("trainer=cpu", "data=folder", "data.size=32", f"data.root={pairs}"))

    return run


def _ckpt(trained: Path) -> Path:
    return trained / "checkpoints" / "best.ckpt"


def test_a_missing_root(refused, tmp_path: Path) -> None:
    line = refused("data=folder", f"data.root={tmp_path / 'nowhere'}", base=("trainer=cpu",))
    assert f"{tmp_path / 'nowhere'}: no such folder; set data.root" in line


def test_an_image_without_mask(on_pairs, pairs: Path) -> None:
    (pairs / "masks" / "case3.png").unlink()
    assert "case3" in on_pairs()


@pytest.mark.parametrize("index", [0, 4, 5])
def test_an_unreadable_image_of_any_split(on_pairs, pairs: Path, index: int) -> None:
    path = pairs / "images" / f"case{index}.png"
    path.write_bytes(path.read_bytes()[:200])
    assert str(path) in on_pairs()


def test_a_mask_of_another_size(on_pairs, pairs: Path) -> None:
    Image.new("L", (20, 32)).save(pairs / "masks" / "case2.png")
    line = on_pairs()
    assert "case2.png" in line
    assert "20" in line


def test_a_mask_with_undeclared_values(on_pairs, pairs: Path) -> None:
    Image.fromarray(np.full((32, 32), 7, np.uint8)).save(pairs / "masks" / "case2.png")
    line = on_pairs()
    assert "case2.png" in line
    assert "7" in line


def test_a_transparent_image(on_pairs, pairs: Path) -> None:
    Image.new("RGBA", (32, 32), (10, 20, 30, 40)).save(pairs / "images" / "case1.png")
    assert str(pairs / "images" / "case1.png") in on_pairs()


def test_a_split_without_foreground(on_pairs, pairs: Path) -> None:
    for path in (pairs / "masks").iterdir():
        Image.new("L", (32, 32)).save(path)
    assert "shows any foreground; look at the mask files" in on_pairs()


def test_targets_that_are_all_the_images_own_masks_are_found_before_training(on_pairs, pairs: Path) -> None:
    line = on_pairs("target=mask_file", f"target.path={pairs / 'masks'}")
    assert "target=mask_file: the target of every image is its own mask, so there is nothing to attack" in line


def test_a_folder_of_targets_that_lacks_one(on_pairs, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    assert "no such target mask" in on_pairs("target=mask_file", f"target.path={tmp_path / 'targets'}")


def test_classes_that_are_not_the_checkpoints(refused, trained: Path) -> None:
    line = refused(f"victim.ckpt={_ckpt(trained)}", "data.classes=3", name="attack")
    assert "was trained on 2 classes, the data have 3" in line


def test_another_architecture_than_the_checkpoints(refused, trained: Path) -> None:
    line = refused(f"victim.ckpt={_ckpt(trained)}", "victim=fpn", name="attack")
    assert f"victim=fpn: but {_ckpt(trained)} has architecture unet; leave it out" in line


def test_another_encoder_than_the_checkpoints(refused, trained: Path) -> None:
    line = refused(f"victim.ckpt={_ckpt(trained)}", "victim.encoder=resnet34", name="attack")
    assert f"victim.encoder=resnet34: but {_ckpt(trained)} has encoder resnet18" in line


@pytest.mark.parametrize("name", ["run", "attack"])
def test_a_checkpoint_that_is_not_there(refused, name: str) -> None:
    assert "no checkpoint at /nowhere.ckpt; check victim.ckpt" in refused("victim.ckpt=/nowhere.ckpt", name=name)


def test_a_checkpoint_to_train(refused, trained: Path) -> None:
    assert "victim.ckpt names a trained victim" in refused(f"victim.ckpt={_ckpt(trained)}", name="train")


def test_an_attack_without_a_victim(refused) -> None:
    assert "attack needs a trained victim; give victim.ckpt=PATH" in refused(name="attack")


def test_a_text_file_as_checkpoint(refused, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_text("weights")
    assert f"{tmp_path / 'a.ckpt'} is not a PyTorch checkpoint" in refused(f"victim.ckpt={tmp_path / 'a.ckpt'}")


def test_a_checkpoint_of_something_else(refused, tmp_path: Path) -> None:
    torch.save({"epoch": 3, "weights": torch.zeros(2)}, tmp_path / "a.ckpt")
    assert "is a checkpoint of something else than a victim" in refused(f"victim.ckpt={tmp_path / 'a.ckpt'}")


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what, 2))])
def test_a_checkpoint_that_would_execute_code(refused, tmp_path: Path, save) -> None:
    save({"state_dict": PickledCall(Path.touch, tmp_path / "executed")}, tmp_path / "a.ckpt")
    assert "loading that would execute code" in refused(f"victim.ckpt={tmp_path / 'a.ckpt'}")
    assert not (tmp_path / "executed").exists()


def test_nan_in_weights(refused, trained: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(_ckpt(trained), weights_only=True)
    name = next(name for name, value in checkpoint["state_dict"].items() if value.ndim == 4)
    checkpoint["state_dict"][name][0, 0, 0, 0] = torch.nan
    torch.save(checkpoint, tmp_path / "a.ckpt")
    line = refused(f"victim.ckpt={tmp_path / 'a.ckpt'}")
    assert f"{tmp_path / 'a.ckpt'} has NaN or infinite values in {name}" in line


MODULES = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3, padding=1)
        self.answer = answer

    def forward(self, images):
        return self.answer(self.layer(images))

def nan():
    return Network(lambda logits: logits / 0 * 0)

def small():
    return Network(lambda logits: logits[:, :, ::2, ::2])

def classes():
    return Network(lambda logits: torch.cat([logits, logits], 1))

def text():
    return "network"

def fails():
    raise RuntimeError("no weights here")

def good():
    return Network(lambda logits: logits)
"""


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("nan", "the model's logits are not finite"),
        ("small", "the victim's network returned (1, 2, 16, 16), expected logits of shape (1, 2, 32, 32)"),
        ("classes", "the victim's network returned (1, 4, 32, 32)"),
        ("text", "victim.factory"),
        ("fails", "no weights here"),
        ("nothing", "nothing"),
    ],
)
def test_a_module_that_cannot_be_attacked(
    refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str, said: str
) -> None:
    (tmp_path / "bad_networks.py").write_text(MODULES)
    monkeypatch.syspath_prepend(tmp_path)
    assert said in refused("victim=python", f"victim.factory=bad_networks:{factory}")


def test_a_module_that_cannot_be_imported(refused) -> None:
    assert "no_such_module" in refused("victim=python", "victim.factory=no_such_module:network", name="attack")


def test_a_folder_that_holds_another_run(command, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    outcome = command("run", "experiment=smoke", "trainer=cpu", f"run.dir={trained}")
    assert outcome.status == 2
    said = "attacks.asma.max_steps is 10 in that run, 300 now; choose another folder"
    assert outcome.err == f"error: run.dir={trained} holds another run: {said}\n"
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_a_folder_that_holds_something_else(command, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    outcome = command("run", "experiment=smoke", "trainer=cpu", f"run.dir={tmp_path}")
    assert outcome.status == 2
    assert outcome.err == f"error: run.dir={tmp_path} is not empty; choose another folder\n"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("kind", ["grayscale", "palette", "alpha", "16-bit"])
def test_what_can_be_converted_faithfully_is(command, pairs: Path, trained: Path, tmp_path: Path, kind: str) -> None:
    path = pairs / "images" / "case1.png"
    image = Image.open(path)
    if kind == "16-bit":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)
    else:
        image.convert({"grayscale": "L", "palette": "P", "alpha": "RGBA"}[kind]).save(path)
    folder = tmp_path / "run"
    smoke = [f"victim.ckpt={_ckpt(trained)}", "engine.slots=4", "attack=asma", "attacks.asma.max_steps=1"]
    data = ["data=folder", f"data.root={pairs}", "data.size=32", "data.fractions=[0.2,0.1,0.7]"]
    assert command("attack", "trainer=cpu", *smoke, *data, "run.montage=0", f"run.dir={folder}").status == 0
