"""Labels that overlap, end to end: training, attack, rows, verify, resume, transfer, export and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.__main__ import main
from benchmark.images.label_maps import load_map
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from tests.fixtures.commands import SMOKE, Outcome
from tests.fixtures.made_once import made_once

Command = Callable[..., Outcome]

DATA = ("data.classes=3", "data.overlapping=true", "data.n_test=3", "run.montage=0")
HEAD = "victim.head=multilabel"


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, judged on the cup, which the target erases."""
    about = ("target=erased", "target.label=cup", "judge.classes=cup", "engine.precision=64")

    def make(folder: Path) -> None:
        assert main(["run", *SMOKE, *DATA, HEAD, *about, f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "overlapping", make) / "run"


@pytest.fixture
def copied(overlapping: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(overlapping, tmp_path / "copied"))


def test_rows_have_the_score_of_each_label(overlapping: Path) -> None:
    run, rows = RunFolder(overlapping), tables.read(overlapping).to_pylist()
    assert len(rows) == 3
    for row in rows:
        truth, target, preds = (
            load_map(path, inside=overlapping)
            for path in (
                *(run.picture(name, row["id"]) for name in ("truth", "target")),
                run.prediction(row["attack"], row["id"]),
            )
        )
        assert np.array_equal(target, truth & 1), "the cup is erased and the disc stays"
        ious = []
        for bit in (1, 2):
            union = ((preds | truth) & bit > 0).sum()
            ious.append((preds & truth & bit > 0).sum() / union if union else None)
        assert row["adv8_class_iou_truth"] == pytest.approx(ious)
        assert row["adv8_iou_truth"] == pytest.approx(np.mean([iou for iou in ious if iou is not None]))
        cup, left = (truth & 2 > 0).sum(), (preds & 2 > 0).sum()
        assert row["success8"] == bool(left <= 0.01 * max(cup, 1))
        assert (row["classes"], row["background"], row["overlapping"]) == (4, 0, True)
        assert json.loads(row["class_names"]) == ["disc", "cup"]
        assert (row["judge"], row["target"]) == ("iou of cup to target >= 0.95", "erased cup")
    summary = json.loads((overlapping / "summary.json").read_text())
    assert list(summary["classes"]) == ["disc", "cup"]
    mean = np.mean([row["clean_class_iou_truth"][0] for row in rows])
    assert "By label, which may overlap" in (overlapping / "report.html").read_text()
    assert summary["classes"]["disc"]["clean_iou_truth"] == pytest.approx(mean)


def test_verify_finds_nothing_and_resume_heals(copied: Path, command: Command) -> None:
    before = tables.read(copied).to_pylist()
    verified = command("verify", copied)
    assert verified.status == 0, verified
    assert "not checked: none" in verified.out
    RunFolder(copied).adversarial("asma", before[0]["id"]).unlink()
    assert command("verify", copied).status != 0
    assert command("run", f"run.resume={copied}").status == 0
    after = tables.read(copied).to_pylist()
    again = {"seconds", "adv8_sha256", "pictures_sha256"}
    assert [{name: row[name] for name in row.keys() - again} for row in after] == [
        {name: row[name] for name in row.keys() - again} for row in before
    ]


def test_transfer_and_export(overlapping: Path, command: Command, tmp_path: Path) -> None:
    best = RunFolder(overlapping).best_checkpoint
    exported = command("victims", "export", best, tmp_path / "exported")
    assert exported.status == 0, exported
    assert command("victims", "import", tmp_path / "exported", "--out", tmp_path / "again.ckpt").status == 0
    judged = command("transfer", overlapping, "--victims", tmp_path / "again.ckpt", "--out", tmp_path / "transfer")
    assert judged.status == 0, judged


def test_a_checkpoint_says_that_its_labels_overlap(overlapping: Path, command: Command, tmp_path: Path) -> None:
    run = RunFolder(overlapping)
    first = tables.read(overlapping).to_pylist()[0]
    images = run.picture("clean", first["id"]).parent
    data = ("data=folder", f"data.root={images}", "data.labels=predicted", f"data.size={first['width']}")
    options = ("trainer=cpu", f"victim.ckpt={run.best_checkpoint}", "engine.max_passes=6", "run.montage=0")
    outcome = command("attack", *data, *options, "attack=pgd", f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome
    for row in tables.read(tmp_path / "run").to_pylist():
        assert (row["classes"], row["overlapping"]) == (4, True)
        assert json.loads(row["class_names"]) == ["label 0", "label 1"]
    assert command("verify", tmp_path / "run").status == 0


def test_what_does_not_go_together_is_refused(
    overlapping: Path, trained: Path, refused: Callable[..., str], command: Command
) -> None:
    assert "victim.head: multilabel predicts labels that overlap, the data have classes" in refused(HEAD)
    assert "victim.head: softmax tells classes apart, the labels of the data overlap" in refused(*DATA)
    ordinary = RunFolder(trained).best_checkpoint
    assert "use a multilabel head" in refused(*DATA, f"victim.ckpt={ordinary}", name="attack")
    line = refused(*DATA, HEAD, "judge.classes=cups")
    assert "judge.classes=cups: is no class of the data, did you mean cup?" in line
    assert "target.label=cups: is no class of the data" in refused(*DATA, HEAD, "target=erased", "target.label=cups")
    transfer = command("transfer", overlapping, "--victims", ordinary)
    assert transfer.status == 2
    assert "softmax tells classes apart, the labels of the data overlap; use a multilabel head" in transfer.err
    network = ("victim=python", "victim.factory=tests.fixtures.own_factory:sound")
    assert command("transfer", overlapping, "--network", *network).err.endswith("head, victim.head=multilabel\n")


def test_an_ordinary_head_may_be_judged_on_one_class(command: Command, trained: Path, tmp_path: Path) -> None:
    folder, ckpt = tmp_path / "run", RunFolder(trained).best_checkpoint
    judged = ("judge=iou_truth", "judge.classes=skin", "attack=[pgd]", "attacks.pgd.rule.targeted=false")
    options = (*SMOKE[:3], f"victim.ckpt={ckpt}", "engine.max_passes=8", "run.montage=0", f"run.dir={folder}")
    outcome = command("attack", *options, *judged)
    assert outcome.status == 0, outcome
    for row in tables.read(folder).to_pylist():
        assert row["judge"] == "iou of skin to truth <= 0.1"
        assert row["success8"] == (row["adv8_class_iou_truth"][0] <= 0.1)
    verified = command("verify", folder)
    assert verified.status == 0, verified
