"""Images without masks and a program of one's own: attacked, resumed, verified, transferred, reported."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmark.__main__ import main
from benchmark.images.label_maps import load_map, save_map
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from tests.fixtures.commands import Outcome
from tests.fixtures.made_once import made_once

SHORT = (
    "trainer=cpu",
    "data.size=[24,32]",
    "engine.max_passes=9",
    "engine.precision=64",
    "run.montage=1",
    "judge.value=.5",
)

Command = Callable[..., Outcome]


class Bright(nn.Module):
    """K logits: background where an image is dark, the first structure where it is bright; K - 2 others never."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.others = classes - 2
        self.mix = nn.Conv2d(3, 1, 3, padding=1)
        nn.init.constant_(self.mix.weight, 1 / 27)
        nn.init.constant_(self.mix.bias, -0.45)

    def forward(self, images):
        z = 8 * self.mix(images)
        return torch.cat([-z, z] + [-abs(z) - 9] * self.others, dim=1)


def program(path: Path, classes: int = 2) -> Path:
    torch.jit.trace(Bright(classes).eval(), torch.rand(1, 3, 24, 32)).save(str(path))
    return path


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.random.default_rng(i).integers(60, 99, (30, 40, 3))
        pixels[4 + i % 6 : 18 + i % 5, 6 : 22 + i % 9] += 90
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"photo {i}.png")
    return folder


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, 24 of them, `model.ts`, and `run`."""

    def make(home: Path) -> None:
        named = (f"victim.program={program(home / 'model.ts')}", f"data.root={pictures(home / 'photos', 24)}")
        given = ("victim=torchscript", *named, "data=folder", "data.labels=predicted", f"run.dir={home / 'run'}")
        assert main(["attack", *given, *SHORT, "attack=[asma,pgd_margin]"]) == 0

    return made_once(tmp_path_factory, "images_alone", make)


def test_one_command_gives_a_row_for_every_image(attacked: Path) -> None:
    rows = tables.read(attacked / "run").to_pylist()
    assert len(rows) == 2 * 24
    assert {row["labels"] for row in rows} == {"predicted"}
    assert {(row["classes"], row["split"], row["clean_iou_truth"]) for row in rows} == {(2, "test", 1.0)}
    assert sum(row["success8"] for row in rows) > 0
    notes = RunFolder(attacked / "run").environment()["data_notes"]
    assert any("all of its images are test images" in note for note in notes)
    assert any("predictions of the 24 clean images are taken as their masks" in note for note in notes)


def test_what_the_truth_is_stands_wherever_scores_to_it_stand(attacked: Path) -> None:
    run = RunFolder(attacked / "run")
    table = run.comparison_file.read_text()
    assert "IoU to clean prediction" in table
    assert "IoU to truth" not in table
    assert "(data.labels=predicted): the clean IoU to it is 1 by definition and says nothing" in table
    page = run.report_file.read_text()
    assert "1 by definition" in page
    assert "IoU to truth" not in page.split("<script")[0]
    assert {one["labels"] for one in json.loads(run.summary_file.read_text())["attacks"]} == {"predicted"}


def test_it_is_verified_and_transferred_with_the_same_truth(
    attacked: Path, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    network = ("--network", f"victim.program={attacked / 'model.ts'}")
    outcome = command("verify", attacked / "run", *network)
    assert outcome.status == 0, outcome
    assert "as recorded; 48 rows" in outcome.out
    again = command(
        "transfer", attacked / "run", "--network", "victim=torchscript", *network[1:], "--out", tmp_path / "t"
    )
    assert again.status == 0, again
    assert "IoU to clean prediction" in again.out
    assert "the attacked model's own prediction" in again.out


def test_labels_that_were_exchanged_or_lost_are_named(
    attacked: Path, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    run = RunFolder(shutil.copytree(attacked / "run", tmp_path / "run"))
    labels = load_map(run.label("photo 3"), inside=run.path).copy()
    labels[0, 0] = 1 - labels[0, 0]
    save_map(labels, run.label("photo 3"))
    run.label("photo 5").unlink()
    outcome = command("verify", run.path, "--network", f"victim.program={attacked / 'model.ts'}")
    assert outcome.status == 1
    assert "labels/photo 3.png: is not what the victim predicts of the clean image" in outcome.out + outcome.err
    assert "labels/photo 5.png: is missing" in outcome.out + outcome.err


@pytest.mark.slow
@pytest.mark.parallel
def test_a_run_goes_on_with_its_labels(attacked: Path, command: Command, tmp_path: Path) -> None:
    run = RunFolder(shutil.copytree(attacked / "run", tmp_path / "run"))
    before = {(row["attack"], row["id"]): row for row in tables.read(run.path).to_pylist()}
    run.label("photo 5").unlink()
    for attack in ("asma", "pgd_margin"):
        run.adversarial(attack, "photo 7").unlink()
    outcome = command("attack", f"run.resume={run.path}", f"victim.program={attacked / 'model.ts'}")
    assert outcome.status == 0, outcome
    after = {(row["attack"], row["id"]): row for row in tables.read(run.path).to_pylist()}
    changing = {"seconds"}
    for key, row in before.items():
        assert {k: v for k, v in row.items() if k not in changing} == {
            k: v for k, v in after[key].items() if k not in changing
        }
    assert command("verify", run.path, "--network", f"victim.program={attacked / 'model.ts'}").status == 0


@pytest.mark.parametrize(("options", "classes"), [((), 3), (("data.classes=3",), 3), (("victim.head=sigmoid",), 2)])
def test_the_victim_says_how_many_classes_there_are(command, tmp_path: Path, options, classes: int) -> None:
    path = tmp_path / "model.ts"
    if "victim.head=sigmoid" in options:
        torch.jit.trace(Bright(2).mix, torch.rand(1, 3, 24, 32)).save(str(path))
    else:
        program(path, classes)
    root = pictures(tmp_path / "photos" / "images", 3).parent
    given = (
        "victim=torchscript",
        f"victim.program={path}",
        "data=folder",
        f"data.root={root}",
        "data.labels=predicted",
    )
    outcome = command("attack", *given, *SHORT, *options, "attack=pgd_margin", f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome
    assert {row["classes"] for row in tables.read(tmp_path / "run").to_pylist()} == {classes}
    assert "1 by definition" in outcome.out
    assert "IoU to clean prediction" in outcome.out


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("run", ("victim=unet",), "data.labels=predicted gives masks to the attacked images only, and training needs"),
        ("train", ("victim=unet",), "data.labels=predicted gives masks to the attacked images only"),
        ("attack", ("data.labels=files",), "images without masks can be attacked, data.labels=predicted"),
        ("attack", ("data.labels=guessed",), "data.labels='guessed': must be files or predicted"),
        ("attack", ("data.classes=5",), "expected logits of shape (1, 5, 24, 32)"),
        ("attack", ("data.test_split=val",), "the split 'val' has no images"),
    ],
)
def test_what_cannot_be_done_is_one_line(attacked: Path, refused, name: str, changes, message: str) -> None:
    victim = () if name != "attack" else ("victim=torchscript", f"victim.program={attacked / 'model.ts'}")
    given = (*victim, "data=folder", f"data.root={attacked / 'photos'}", "data.labels=predicted", *changes)
    assert message in refused(*given, name=name, base=SHORT)


def test_a_victim_that_predicts_nothing_leaves_nothing_to_attack(refused, tmp_path: Path) -> None:
    root = pictures(tmp_path / "photos", 3)
    for path in root.iterdir():
        Image.new("RGB", (40, 30), "black").save(path)
    given = ("victim=torchscript", f"victim.program={program(tmp_path / 'm.ts')}", "data=folder", f"data.root={root}")
    assert "the victim predicts no foreground in any of 3 images" in refused(
        *given, "data.labels=predicted", name="attack", base=SHORT
    )
