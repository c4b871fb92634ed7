"""The main job end to end with experiment=smoke: what a run's folder holds, and that it can be reproduced."""

import csv
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from benchmark.evaluation.scoring import score_prediction
from benchmark.runs import row_schema, tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.layout import Picture
from benchmark.victims.fingerprints import checkpoint_sha256
from benchmark.victims.loading import load_victim
from tests.synthetic_data import synthetic_data

SMOKE = ("experiment=smoke", "trainer=cpu", "engine.precision=64")
TEST_IDS = [f"test_{i:05d}" for i in range(4)]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return tables.read(folder).to_pylist()


def assert_same_rows(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Equal but for the run's name and the time; numbers to 1e-6."""
    assert [row["id"] for row in found] == [row["id"] for row in expected]
    for one, other in zip(found, expected, strict=True):
        for name in set(row_schema.SCHEMA.names) - {"run", "seconds"}:
            if isinstance(other[name], float):
                assert one[name] == pytest.approx(other[name], rel=1e-6, abs=1e-6), name
            else:
                assert one[name] == other[name], name


def test_the_folder_holds_everything(trained: Path) -> None:
    files = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert files == {
        *(
            "config.yaml",
            "environment.json",
            "splits.json",
            "summary.json",
            "metrics.csv",
            "montage.png",
            "report.html",
        ),
        *("records.parquet", "traces.parquet", "checkpoints/best.ckpt", "checkpoints/last.ckpt"),
        *(f"{folder}/asma/{image_id}.png" for folder in ("adversarial", "predictions") for image_id in TEST_IDS),
        *(f"pictures/{one}/{image_id}.png" for one in get_args(Picture) for image_id in TEST_IDS),
    }
    with Image.open(trained / "montage.png") as picture:
        picture.load()


def test_one_row_per_test_image_in_the_schema(trained: Path) -> None:
    table = pq.read_table(trained / "records.parquet")
    assert table.schema.equals(row_schema.SCHEMA)
    assert table["id"].to_pylist() == TEST_IDS
    assert set(table["attack"].to_pylist()) == {"asma"}
    assert set(table["victim"].to_pylist()) == {"unet_resnet18"}
    assert set(table["data"].to_pylist()) == {"synthetic"}
    assert set(table["target"].to_pylist()) == {f"other_image:{image_id}" for image_id in TEST_IDS}
    for row in table.to_pylist():
        assert row["target"] != f"other_image:{row['id']}"
        assert 1 <= row["steps"] <= 10
        assert row["valid_pixels"] == row["height"] * row["width"] == 32 * 32
        assert sum(row["clean_confusion_truth"]) == 32 * 32


def test_every_image_has_its_steps(trained: Path) -> None:
    traces = pq.read_table(trained / "traces.parquet")
    assert traces.schema.equals(tables.TRACES.schema_with(["multiplier"]))
    for row in rows_of(trained):
        steps = [point["step"] for point in traces.to_pylist() if point["id"] == row["id"]]
        assert steps == list(range(row["steps"]))


def test_8_bit_columns_are_those_of_the_files(trained: Path) -> None:
    data = synthetic_data(n_train=16, n_val=4, n_test=4, size=32)
    data.setup("test")
    dataset = data.test_dataloader().dataset
    victim = load_victim(trained / "checkpoints" / "best.ckpt").double()
    for index, row in enumerate(rows_of(trained)):
        item = dataset[index]
        assert item["id"] == row["id"]
        pixels = np.asarray(Image.open(RunFolder(trained).adversarial("asma", row["id"])))
        assert (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)
        points = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        # What is on disk is the kept iterate rounded, so it lies within half a grey value of linf.
        assert (points - item["image"]).abs().max().item() == pytest.approx(row["linf"], abs=0.5 / 255 + 1e-6)
        with torch.no_grad():
            preds = victim(points[None].double()).argmax(1)[0]
        target = data.mask(row["target"].removeprefix("other_image:"))
        scored = score_prediction(preds, item["mask"], target, item["valid"], classes=2, background=0)
        assert {name: row[f"adv8_{name}"] for name in scored} == scored
        assert row["success8"] == (scored["iou_target"] >= 0.95)


def test_what_ran_is_on_record(trained: Path) -> None:
    environment = json.loads((trained / "environment.json").read_text())
    assert environment["seed"] == 0
    assert environment["packages"]["torch"]
    assert environment["checkpoint_sha256"] == checkpoint_sha256(trained / "checkpoints" / "best.ckpt")
    assert environment["data_fingerprint"] == synthetic_data(n_train=16, n_val=4, n_test=4, size=32).fingerprint()
    splits = json.loads((trained / "splits.json").read_text())
    assert {split: len(ids) for split, ids in splits.items()} == {"train": 16, "val": 4, "test": 4}
    assert splits["test"] == TEST_IDS
    summary = json.loads((trained / "summary.json").read_text())
    assert (summary["attack"], summary["images"]) == ("asma", 4)
    mean = np.mean([row["adv8_iou_target"] for row in rows_of(trained)])
    assert summary["adv8_iou_target"]["mean"] == pytest.approx(mean)
    with (trained / "metrics.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len([line for line in lines if line["val/iou"]]) == 2
    assert len([line for line in lines if line["train/loss"]]) == 2


def test_attack_reproduces_the_rows_with_other_slots_and_batches(command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    options = [f"victim.ckpt={checkpoint}", "engine.slots=3", "data.batch_size=1", f"run.dir={tmp_path / 'run'}"]
    outcome = command("attack", *SMOKE, *options)
    assert outcome.status == 0, outcome.err
    assert_same_rows(rows_of(tmp_path / "run"), rows_of(trained))
    for image_id in TEST_IDS:
        mine, theirs = (RunFolder(folder).adversarial("asma", image_id) for folder in (tmp_path / "run", trained))
        assert np.array_equal(np.asarray(Image.open(mine)), np.asarray(Image.open(theirs)))
    assert not (tmp_path / "run" / "checkpoints").exists()
    for path in ("records.parquet", "summary.json", "montage.png"):
        assert str(tmp_path / "run" / path) in outcome.out


def test_run_with_a_checkpoint_trains_nothing(command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    outcome = command("run", *SMOKE, f"victim.ckpt={checkpoint}", "engine.slots=2", f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    assert_same_rows(rows_of(tmp_path / "run"), rows_of(trained))
    assert not (tmp_path / "run" / "checkpoints").exists()
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["checkpoint_sha256"] == checkpoint_sha256(checkpoint)


def test_train_makes_the_same_checkpoint_and_nothing_else(command, trained: Path, tmp_path: Path) -> None:
    outcome = command("train", *SMOKE, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("config.yaml", "environment.json", "splits.json", "metrics.csv", "checkpoints")
    }
    mine, theirs = (
        torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path / "run", trained)
    )
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_validation_images_can_be_attacked(command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    options = [f"victim.ckpt={checkpoint}", "data.test_split=val", f"run.dir={tmp_path / 'run'}"]
    assert command("attack", *SMOKE, *options).status == 0
    rows = rows_of(tmp_path / "run")
    assert [row["id"] for row in rows] == [f"val_{i:05d}" for i in range(4)]
    assert {row["target"] for row in rows} == {f"other_image:val_{i:05d}" for i in range(4)}


def test_two_attacks_share_targets_and_each_has_its_rows(command, trained: Path, tmp_path: Path) -> None:
    other = "{rule:{_target_:benchmark.attacks.asma.ASMA,tau:1e-3,dynamic_multiplier:false},max_steps:5}"
    options = [f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", f"run.dir={tmp_path / 'run'}"]
    outcome = command("attack", *SMOKE, *options, f"+attacks.fixed={other}")
    assert outcome.status == 0, outcome.err
    rows = rows_of(tmp_path / "run")
    assert_same_rows([row for row in rows if row["attack"] == "asma"], rows_of(trained))
    fixed = [row for row in rows if row["attack"] == "fixed"]
    assert [(row["id"], row["target"]) for row in fixed] == [(row["id"], row["target"]) for row in rows_of(trained)]
    assert all(row["passes"] <= 24 for row in fixed)
    summaries = json.loads((tmp_path / "run" / "summary.json").read_text())["attacks"]
    assert [summary["attack"] for summary in summaries] == ["asma", "fixed"]
    for attack in ("asma", "fixed"):
        assert (tmp_path / "run" / f"montage_{attack}.png").exists()
        assert f"\n| {attack} | " in (tmp_path / "run" / "comparison.md").read_text()
        assert len(list((tmp_path / "run" / "adversarial" / attack).iterdir())) == 4
    with Image.open(tmp_path / "run" / "curves.png") as picture:
        assert picture.size[0] > 1000


NETWORK = """
import torch
from torch import nn

def threshold(scale=20.0):
    layer = nn.Conv2d(3, 2, 5, padding=2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1].fill_(-scale / 75)
        layer.bias.copy_(torch.tensor([0.0, scale / 2]))
    return layer
"""


def test_a_module_of_ones_own_is_attacked_as_it_is(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    options = ["victim=python", "victim.factory=own_network:threshold", "victim.options={scale:30.0}"]
    outcome = command("attack", *SMOKE, *options, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    rows = rows_of(tmp_path / "run")
    assert [row["id"] for row in rows] == TEST_IDS
    assert {row["victim"] for row in rows} == {"own_network:threshold"}
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["checkpoint_sha256"] is None


def test_attacks_during_training_are_logged_and_leave_no_trace_in_it(command, trained: Path, tmp_path: Path) -> None:
    options = ["training.attack_every=1", "training.attack_images=2", "attacks.asma.max_steps=2"]
    outcome = command("train", *SMOKE, *options, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    with (tmp_path / "run" / "metrics.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["val_attack/asma/adv8_iou_target"]]
    assert len(lines) == 2
    assert all(0 <= float(line["val_attack/asma/adv8_iou_target"]) <= 1 for line in lines)
    assert all(float(line["val_attack/asma/steps"]) > 0 for line in lines)
    mine, theirs = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path / "run", trained)
    )
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_training_in_mixed_precision_ends_in_rows(command, tmp_path: Path) -> None:
    outcome = command("run", *SMOKE[:2], "trainer.precision=bf16-mixed", f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    assert [row["id"] for row in rows_of(tmp_path / "run")] == TEST_IDS


def test_a_mask_file_is_aimed_at(command, trained: Path, tmp_path: Path) -> None:
    target = np.zeros((32, 32), np.uint8)
    target[20:28, 3:25] = 1
    Image.fromarray(target).save(tmp_path / "target.png")
    options = [f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", "attacks.asma.max_steps=1"]
    mask = ["target=mask_file", f"target.path={tmp_path / 'target.png'}", "target.encoding={0:0,1:1}"]
    outcome = command("attack", *SMOKE, *options, *mask, f"run.dir={tmp_path / 'run'}")
    assert outcome.status == 0, outcome.err
    rows = rows_of(tmp_path / "run")
    assert {row["target"] for row in rows} == {"mask_file:target.png"}
    assert [row["id"] for row in rows] == TEST_IDS
