"""Attacks on victims as they are deployed: rows are those of the whole pipeline, and `transfer` repeats them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.evaluation.scoring import score_prediction
from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.transforms.jpeg import JPEG
from benchmark.transforms.median import Median
from benchmark.victims.deployment.postprocessing import LargestComponent, postprocess
from benchmark.victims.loading import load_victim
from tests.synthetic_data import synthetic_data

SMOKE = ("experiment=smoke", "trainer=cpu", "engine.max_passes=null", "attacks.asma.max_steps=3")
AROUND = ("victim.transform=[{jpeg:{quality:40}},median]", "victim.postprocess=[largest_component]")


@pytest.fixture
def defended(command: Callable[..., Any], trained: Path, tmp_path: Path) -> Path:
    """A run that has attacked through two transforms."""
    folder = tmp_path / "defended"
    given = (f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", "engine.precision=64", *AROUND)
    outcome = command("attack", *SMOKE, *given, f"run.dir={folder}")
    assert outcome.status == 0, outcome.err
    return folder


def test_rows_are_scored_through_the_whole_pipeline(command, defended: Path, trained: Path, tmp_path: Path) -> None:
    rows = tables.read(defended).to_pylist()
    assert {row["victim"] for row in rows} == {"unet_resnet18+jpeg+median+largest_component"}
    data = synthetic_data(n_train=16, n_val=4, n_test=4, size=32)
    data.setup("test")
    dataset = data.test_dataloader().dataset
    victim = load_victim(trained / "checkpoints" / "best.ckpt").double()
    for index, row in enumerate(rows):
        file = np.array(Image.open(RunFolder(defended).adversarial("asma", row["id"])))
        shown = Median()(JPEG(40)(torch.from_numpy(file).permute(2, 0, 1)))
        with torch.no_grad():
            raw = victim((shown.float() / 255).double()[None]).argmax(1)
        preds = postprocess(raw, [LargestComponent()], 2, 0)[0]
        target = data.mask(row["target"].removeprefix("other_image:"))
        found = score_prediction(
            preds, dataset[index]["mask"], target, dataset[index]["valid"], classes=2, background=0
        )
        assert row["adv8_iou_truth"] == pytest.approx(found["iou_truth"])
        assert row["adv8_iou_target"] == pytest.approx(found["iou_target"])
    # The run's own model is found with what was around it, and is another one than the plain checkpoint.
    out = tmp_path / "transfer"
    plain = trained / "checkpoints" / "best.ckpt"
    outcome = command("transfer", defended, "--victims", plain, "--out", out)
    assert outcome.status == 0, outcome.err
    shown_to = TRANSFER.read(out).to_pylist()
    own = {row["id"]: row for row in shown_to if row["white_box"]}
    assert {row["victim"] for row in own.values()} == {"unet_resnet18+jpeg+median+largest_component"}
    assert {row["victim"] for row in shown_to if not row["white_box"]} == {"unet_resnet18"}
    for row in rows:
        assert own[row["id"]]["adv8_iou_truth"] == pytest.approx(row["adv8_iou_truth"], abs=0.02)


def test_what_cannot_be_around_a_victim_is_one_line(refused, trained: Path) -> None:
    ckpt = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"
    assert "victim.transform: there is no 'jpg', did you mean jpeg?" in refused("victim.transform=[jpg]")
    assert "victim.window=0.5: must be a number of pixels" in refused(ckpt, "victim.window=0.5", name="attack")
    assert "unknown key 'victim.program'" in refused("+victim.program=model.ts")


def test_networks_of_programs_are_attacked_as_they_are(command, tmp_path: Path) -> None:
    from tests.victims.adapters.own_networks import Small

    torch.manual_seed(0)
    torch.jit.script(Small(3, 2)).save(str(tmp_path / "small.ts"))
    options = ("victim=torchscript", f"victim.program={tmp_path / 'small.ts'}", "victim.window=24")
    outcome = command("attack", *SMOKE, "target.max_iou=null", *options, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    rows = tables.read(tmp_path / "run").to_pylist()
    assert {row["victim"] for row in rows} == {"torchscript_small+window"}
    assert len(rows) == 4
    resumed = command("attack", f"run.resume={tmp_path / 'run'}")
    assert resumed.status == 2
    assert "which names code to run; give it again" in resumed.err
    shown = command("transfer", tmp_path / "run", "--victims", tmp_path / "small.ts", "--out", tmp_path / "out")
    assert shown.status == 2
    assert len(shown.err.splitlines()) == 1
