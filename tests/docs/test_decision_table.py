"""The tables of docs/own_models.md, "What do you have?": every command and every key is typed as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image

from benchmark.runs import tables
from tests.victims.adapters import own_networks
from tests.victims.monai_bundle.bundles import bundle

GUIDE = (Path(__file__).parents[2] / "docs" / "own_models.md").read_text()
TABLES = re.findall(r"((?:^\|.*\|\n)+)", GUIDE[GUIDE.index("## What do you have?") :], re.MULTILINE)[:3]
NETWORKS, HEADS, IMAGES = (dict(re.findall(r"^\| (.*?) \| (.*) \|$", table, re.MULTILINE)[1:]) for table in TABLES)

OWN = "python -m benchmark attack victim=python victim.factory=mymodel:load data=folder data.root=mydata"
SHORT = ("trainer=cpu", "data.size=32", "engine.max_passes=6", "run.montage=0", "run.dir=run")

MODULE = """
from torch import nn

class Network(nn.Module):
    def __init__(self, outputs=2, channels=3, several=False, side=None, bounded=False):
        super().__init__()
        self.layer, self.several, self.side = nn.Conv2d(channels, outputs, 3, padding=1), several, side
        self.bounded = bounded

    def forward(self, images):
        assert self.side in (None, *images.shape[2:])
        logits = self.layer(images)
        logits = logits.softmax(1) if self.bounded else logits
        return (images, logits) if self.several else logits

def load(**options):
    return Network(**options)
"""

HEAD_OPTIONS = {
    "one logit for two classes": "{outputs:1}",
    "one logit per label, and labels may overlap": "{}",
    "one logit per label, labels that overlap, and your images have no masks": "{}",
    "several outputs": "{several:true}",
    "a size of images that it was made for": "{side:32}",
    "probabilities as outputs": "{bounded:true}",
}
IMAGES_OF = {
    "have no masks": "photos",
    "are all to be attacked, whatever their split": "mydata",
    "have masks with grey outlines": "outlines",
    "have masks with other values than 0 and 255": "small_values",
    "are larger or smaller than 128 x 128 pixels, or of mixed sizes": "mydata",
    "are not square": "wide",
    "are in part damaged": "damaged",
    "are grey, of one channel": "grey",
}


def _folder(root: Path, *, values: tuple[int, ...] = (0, 255), mode: str = "RGB", width: int = 32) -> None:
    for number in range(16):
        mask = np.zeros((32, width), np.uint8)
        mask[2 + number : 20 + number, 6:20] = 1
        image = np.random.default_rng(number).integers(60, 99, (32, width, 3)) + 60 * mask[:, :, None]
        levels = np.array(values, np.uint8)[mask]
        if len(values) > 2:
            levels[10, 6:20] = values[2]
        for part, picture in (("images", Image.fromarray(image.astype(np.uint8)).convert(mode)), ("masks", levels)):
            (root / part).mkdir(parents=True, exist_ok=True)
            picture = picture if part == "images" else Image.fromarray(picture)
            picture.save(root / part / f"case{number}.png")


def _photos(root: Path) -> None:
    """Images alone."""
    _folder(root)
    for part in ("masks", "images"):
        for file in (root / part).iterdir():
            file.rename(root / file.name) if part == "images" else file.unlink()
        (root / part).rmdir()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with data and networks under the names of the guide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(own_networks, "OUTPUTS", 2)
    monkeypatch.setitem(own_networks.DATASET, "labels", {"background": 0, "disc": 1})
    _folder(tmp_path / "mydata")
    (tmp_path / "mymodel.py").write_text(MODULE)
    return tmp_path


def _write(name: str, home: Path) -> None:
    """The network that a command names."""
    small = own_networks.Small(outputs=2)
    if name in ("segformer", "unet.safetensors", "nnUNetTrainer__nnUNetPlans__2d"):
        writer = {"s": "hugging_face", "u": "monai", "n": "nnunet"}[name[0]]
        own_networks.WRITERS[writer](home)
    elif name == "model.ts":
        torch.jit.script(small).save(name)
    elif name == "model.pt2":
        sides = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
        torch.export.save(torch.export.export(small, (torch.rand(2, 3, 32, 32),), dynamic_shapes=(sides,)), name)
    elif name == "model.onnx":
        own_networks.to_onnx(small, home / name)
    elif name == "bundle":
        bundle(home / name)
    elif name == "theirs.pt":
        torch.save({"state_dict": {f"model.{key}": value for key, value in small.state_dict().items()}}, name)
    elif name in ("smp_unet", "best.ckpt"):
        network = smp.Unet("resnet18", encoder_weights=None, classes=2)
        network.save_pretrained("smp_unet")


def _arguments(text: str) -> list[str]:
    command = shlex.split(re.findall(r"`(python -m benchmark [^`]*)`", text)[0])
    return command[3:]


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("have", NETWORKS)
def test_networks(command, home: Path, have: str) -> None:
    arguments = _arguments(NETWORKS[have])
    named = {word.rpartition("=")[2] for word in arguments if "=" in word} | {*arguments}
    for name in named:
        _write(name, home)
    if "best.ckpt" in named:
        assert command("victims", "import", "smp_unet", "--out", "best.ckpt").status == 0
    if "import" in arguments:
        assert command(*arguments).status == 0
        arguments = ["attack", "victim.ckpt=smp_unet.ckpt", "data=folder", "data.root=mydata"]
    training = ["trainer.max_epochs=1"] if "run" in arguments else []
    outcome = command(*arguments, *SHORT, *training)
    if "theirs.pt" in named:
        assert outcome.status == 2
        assert "weights alone" in outcome.err
        assert "def load" in outcome.err
    else:
        assert outcome.status == 0, outcome.err
        assert len(tables.read(home / "run")) > 0


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("has", HEADS)
def test_heads(command, home: Path, has: str) -> None:
    options = f"victim.options={HEAD_OPTIONS[has]}"
    if "python -m benchmark" in HEADS[has]:
        _photos(home / "photos")
        outcome = command(*_arguments(HEADS[has]), *SHORT)
        assert outcome.status == 0, outcome.err
        assert all(row["overlapping"] for row in tables.read(home / "run").to_pylist())
        return
    keys = re.findall(r"`(victim\.[^`]*)`", HEADS[has])
    if not keys:  # nothing helps but another output
        outcome = command(*shlex.split(OWN)[3:], options, *SHORT)
        assert outcome.status == 2
        assert "probabilities" in outcome.err
    labels = ["data.encoding={0:[],255:[disc,cup]}"] if "labels" in has else []
    size = ["data.size=64"] if "size" in has else []
    for number, key in enumerate(keys):
        outcome = command(*shlex.split(OWN)[3:], options, *labels, *SHORT[:-1], *size, f"run.dir=run{number}", key)
        assert outcome.status == 0, (key, outcome.err)
        assert len(tables.read(home / f"run{number}")) > 0


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("are", IMAGES)
def test_images(command, home: Path, are: str) -> None:
    name = IMAGES_OF[are]
    root = home / name
    values = {"outlines": (0, 255, 130), "small_values": (0, 1)}.get(name, (0, 255))
    _folder(root, values=values, mode="L" if name == "grey" else "RGB", width=48 if name == "wide" else 32)
    if name == "photos":
        _photos(root)
    if name == "damaged":
        (root / "images" / "case3.png").write_bytes((root / "images" / "case3.png").read_bytes()[:60])
    (key,) = re.findall(r"`'?(data\.[^`']*)'?`", IMAGES[are])
    plain = [*shlex.split(OWN.replace("mydata", name))[3:], *SHORT]
    plain += {"grey": ["victim.options={channels:1}"], "damaged": ["data.test_split=all"]}.get(name, [])
    if name in ("photos", "outlines", "small_values", "damaged"):  # the key is needed
        assert command(*plain).status == 2
        assert not (home / "run").exists()
    outcome = command(*plain, key)
    assert outcome.status == 0, outcome.err
    rows = tables.read(home / "run").to_pylist()
    counts = {"photos": 16, "damaged": 15} | ({"mydata": 16} if "all" in key else {})
    assert len(rows) == counts.get(name, len(rows)) > 0


@pytest.mark.slow
@pytest.mark.parallel
def test_the_check(command, home: Path) -> None:
    (arguments,) = [shlex.split(text)[3:] for text in re.findall(r"`(python -m benchmark victims check [^`]*)`", GUIDE)]
    _write("model.ts", home)
    assert command(*arguments, "data.size=32").status in (0, 3)
