"""Images without masks, where the victim alone says which classes there are and whether they overlap."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.__main__ import main
from benchmark.runs import tables
from tests.cli.test_images_alone import SHORT, pictures, program
from tests.fixtures.commands import Outcome
from tests.fixtures.made_once import made_once

Command = Callable[..., Outcome]


class Nested(nn.Module):
    """Three logits, of labels one within the other: all where an image is bright, the first of them most often."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 3, padding=1)
        nn.init.constant_(self.mix.weight, 8 / 27)
        self.mix.bias.data = torch.tensor([-3.4, -3.7, -4.2])

    def forward(self, images):
        return self.mix(images)


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos`, `labels.ts`, `classes.ts` of three classes, and `run`, an attack on the former."""

    def make(home: Path) -> None:
        torch.jit.trace(Nested().eval(), torch.rand(1, 3, 24, 32)).save(str(home / "labels.ts"))
        program(home / "classes.ts", 3)
        pictures(home / "photos", 3)
        assert main(["attack", *given(home), "judge.classes=cup", f"run.dir={home / 'run'}", *SHORT]) == 0

    return made_once(tmp_path_factory, "open_classes", make)


def given(home: Path, network: str = "labels", *, names: str = "[disc,cup,rim]") -> list[str]:
    data = ["data=folder", f"data.root={home / 'photos'}", "data.labels=predicted", "attack=pgd_margin"]
    head = ["victim.head=multilabel", f"data.class_names={names}"] if network == "labels" else []
    return ["victim=torchscript", f"victim.program={home / network}.ts", *data, *head]


def test_labels_that_overlap_need_no_declaration(overlapping: Path, command: Command) -> None:
    rows = tables.read(overlapping / "run").to_pylist()
    assert {(row["classes"], row["overlapping"], row["clean_iou_truth"]) for row in rows} == {(8, True, 1.0)}
    assert {row["class_names"] for row in rows} == {json.dumps(["disc", "cup", "rim"])}
    assert {row["judge"] for row in rows} == {"iou of cup to target >= 0.5"}
    outcome = command("verify", overlapping / "run", "--network", f"victim.program={overlapping / 'labels.ts'}")
    assert outcome.status == 0, outcome
    again = f"victim.program={overlapping / 'labels.ts'}"
    resumed = command("attack", f"run.resume={overlapping / 'run'}", again)
    assert resumed.status == 0, resumed


def test_labels_without_names_are_numbered_as_configurations_count_them(
    overlapping: Path, command: Command, tmp_path: Path
) -> None:
    texts = set()
    for number, label in enumerate(("1", "'label 1'")):
        chosen = (f"judge.classes={label}", "target.label=0", f"run.dir={tmp_path / str(number)}")
        outcome = command("attack", *given(overlapping, names="null"), *SHORT, *chosen)
        assert outcome.status == 0, outcome
        texts |= {row["judge"] for row in tables.read(tmp_path / str(number)).to_pylist()}
    assert texts == {"iou of label 1 to target >= 0.5"}
    assert "attacking 3 images of photos at 32 x 24 pixels" in outcome.out


@pytest.mark.parametrize("option", ["judge.classes=2", "judge.classes='class 2'", "data.background=2"])
def test_what_names_a_class_is_held_against_the_victims_classes(
    overlapping: Path, command: Command, tmp_path: Path, option: str
) -> None:
    run = tmp_path / "run"
    options = (option, "engine.max_passes=6", "target=shifted", f"run.dir={run}")
    outcome = command("attack", *given(overlapping, "classes"), *SHORT, *options)
    assert outcome.status == 0, outcome
    assert {row["classes"] for row in tables.read(run).to_pylist()} == {3}
    checked = command("verify", run, "--network", f"victim.program={overlapping / 'classes.ts'}")
    assert checked.status == 0, checked


@pytest.mark.parametrize(
    ("network", "options", "said"),
    [
        ("classes", ["judge.classes=3"], "judge.classes=3: is no class of the data"),
        ("classes", ["data.background=3"], "data.background=3: must be one of the classes 0..2"),
        ("classes", ["data.overlapping=true"], "the victim tells classes apart, which do not overlap; leave it out"),
        ("classes", ["data.class_names=[a,b]"], "names for 3 classes are needed"),
        ("labels", ["judge.classes=3"], "judge.classes=3: is no class of the data"),
        ("labels", ["judge.classes=cupp"], "did you mean cup?"),
        ("labels", ["data.background=2"], "labels that overlap, none of which is the background; leave it out"),
        ("labels", ["data.class_names=[a,b]"], "names for 3 labels are needed, as the victim has"),
        ("labels", ["data.class_names=[a,a,b]"], "names a label twice"),
        ("labels", ["data.classes=4", "data.class_names=null"], "with data.labels=predicted leave data.classes out"),
    ],
)
def test_what_does_not_fit_the_victim_is_one_line(overlapping: Path, refused, network: str, options, said: str) -> None:
    line = refused(*given(overlapping, network), *options, name="attack", base=SHORT)
    assert said in line, line
