"""`defence=[...]` end to end: further columns in the rows, which the saved files bear out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.evaluation.scoring import score_prediction
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.transforms.jpeg import JPEG
from benchmark.transforms.median import Median
from benchmark.victims.loading import load_victim
from tests.synthetic_data import synthetic_data

COLUMNS = {f"{name}_iou_{to}" for name in ("jpeg", "median") for to in ("target", "truth")}
CLEAN = {"clean_jpeg_iou_truth", "clean_median_iou_truth"}


def test_rows_have_columns_for_each_defence_asked(command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    options = [f"victim.ckpt={checkpoint}", "defence=[jpeg,median]", "defences.jpeg.quality=40"]
    engine = ["trainer=cpu", "engine.precision=64", "attacks.asma.max_steps=3"]
    outcome = command("attack", "experiment=smoke", *engine, *options, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    rows = tables.read(tmp_path / "run").to_pylist()
    assert set(rows[0]) - set(tables.read(trained).column_names) == COLUMNS | CLEAN
    data = synthetic_data(n_train=16, n_val=4, n_test=4, size=32)
    data.setup("test")
    dataset, victim = data.test_dataloader().dataset, load_victim(checkpoint).double()

    def scored(pixels: torch.Tensor, index: int, row: dict) -> dict[str, float]:
        with torch.no_grad():
            preds = victim((pixels.float() / 255).double()[None]).argmax(1)[0]
        target = data.mask(row["target"].removeprefix("other_image:"))
        return score_prediction(preds, dataset[index]["mask"], target, dataset[index]["valid"], classes=2, background=0)

    for index, row in enumerate(rows):
        file = np.array(Image.open(RunFolder(tmp_path / "run").adversarial("asma", row["id"])))
        file = torch.from_numpy(file).permute(2, 0, 1)
        clean = (dataset[index]["image"] * 255).round().to(torch.uint8)
        for name, defence in (("jpeg", JPEG(40)), ("median", Median())):
            found, cost = scored(defence(file), index, row), scored(defence(clean), index, row)
            assert row[f"{name}_iou_target"] == pytest.approx(found["iou_target"])
            assert row[f"{name}_iou_truth"] == pytest.approx(found["iou_truth"])
            assert row[f"clean_{name}_iou_truth"] == pytest.approx(cost["iou_truth"])


def test_an_unusable_defence_is_one_line(refused) -> None:
    assert "JPEG: quality=0: must be 1 to 100" in refused("defence=[jpeg]", "defences.jpeg.quality=0")
    assert "there is no defence 'jpg', did you mean jpeg?" in refused("defence=[jpg]")
