import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmark.report.figures.montage import MontageItem
from benchmark.results.summary import summarise, write_summary
from benchmark.runs.folder import RunFolder
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.wandb.attack_log import log_attack_epoch
from benchmark.tracking.wandb.logger import make_logger
from tests.tracking.example_epoch import IMAGES, media, rows, traces
from tests.tracking.wandb import wandb_log
from tests.tracking.wandb.offline_client import clean_client


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("run")
    pq.write_table(rows(), folder / "records.parquet")
    pq.write_table(traces(), folder / "traces.parquet")
    summaries = write_summary(rows(), RunFolder(folder)).attacks
    (folder / "best.ckpt").write_bytes(b"weights")
    files = [folder / name for name in ("records.parquet", "traces.parquet", "summary.json")]
    with clean_client(folder, WANDB_MODE="offline"):
        logger = make_logger(folder, "bench")
        assert logger is not None
        logger.log_metrics({"val/loss": 0.5}, step=70)
        Image.fromarray(np.full((4, 6, 3), 77, np.uint8)).save(folder / "montage_asma.png")
        montages = {"asma": folder / "montage_asma.png"}
        epoch = FinishedEpoch(
            rows=rows(),
            traces=traces(),
            summaries=summaries,
            media=media,
            montages=montages,
            files=files,
            checkpoint=folder / "best.ckpt",
            doubts=["randomness: it is random"],
        )
        log_attack_epoch(logger.experiment, epoch, media_limit=2)
        logger.log_metrics({"val/loss": 0.25}, step=71)
        logger.finish()
    found = wandb_log.records(folder)
    return SimpleNamespace(folder=folder, found=found, history=wandb_log.history(found), summaries=summaries)


def _kind(run: SimpleNamespace, kind: str) -> list[Any]:
    return [getattr(record, kind) for record in run.found if record.WhichOneof("record_type") == kind]


def _files_of(run: SimpleNamespace, name: str) -> dict[str, Path]:
    """Path in the artifact -> file to be uploaded, for the artifact with `name` in its name."""
    (artifact,) = [artifact for artifact in _kind(run, "artifact") if name in artifact.name]
    return {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents if entry.local_path}


def test_curves_run_over_the_attacks_own_step(run: SimpleNamespace) -> None:
    curve = [row for row in run.history if "attack/asma/step" in row]
    assert [row["attack/asma/step"] for row in curve] == [0, 1, 2, 3]
    assert [row["attack/asma/iou"] for row in curve] == pytest.approx([0, 0.075, 0.125, 0.15])
    assert [row["attack/asma/active"] for row in curve] == [4, 3, 2, 1]
    assert not any("trainer/global_step" in row for row in curve)
    defined = {metric.name: metric for metric in _kind(run, "metric")}
    for name in ("iou", "pixel_acc", "l2", "linf", "multiplier", "active"):
        assert defined[f"attack/asma/{name}"].step_metric == "attack/asma/step"
        assert defined[f"attack/asma/{name}"].summary.none
    assert "attack/asma/loss" not in defined  # no image has one


def test_trainings_own_axis_is_untouched(run: SimpleNamespace) -> None:
    training = [row for row in run.history if "val/loss" in row]
    assert [(row["trainer/global_step"], row["val/loss"]) for row in training] == [(70, 0.5), (71, 0.25)]
    (everything,) = [metric for metric in _kind(run, "metric") if metric.glob_name == "*"]
    assert everything.step_metric == "trainer/global_step"


@pytest.mark.parametrize("attack", ["asma", "noise"])
def test_images_have_a_point_each(run: SimpleNamespace, attack: str) -> None:
    points = [row for row in run.history if f"attack/{attack}/image/index" in row]
    assert [row[f"attack/{attack}/image/index"] for row in points] == [0, 1, 2, 3]
    assert [row[f"attack/{attack}/image/success8"] for row in points] == [0, 1, 1, 1]
    assert [row.get(f"attack/{attack}/image/psnr") for row in points] == [None, 31, 32, 33]
    defined = {metric.name: metric for metric in _kind(run, "metric")}
    assert defined[f"attack/{attack}/image/psnr"].step_metric == f"attack/{attack}/image/index"


def test_a_chart_draws_single_images(run: SimpleNamespace) -> None:
    (logged,) = [row for row in run.history if any(key.startswith("attack/asma/iou_by_image") for key in row)]
    (path,) = [value for key, value in logged.items() if key.endswith("/path")]
    chart = json.loads((next((run.folder / "wandb").glob("offline-run-*/files")) / path).read_text())
    assert chart["columns"] == ["step", "lineKey", "lineVal"]
    assert [line for line in chart["data"] if line[1] == "image 2"] == [
        [step, "image 2", pytest.approx(step / 10)] for step in range(3)
    ]
    assert not any(key.startswith("attack/noise/iou_by_image") for row in run.history for key in row)


def test_the_table_has_all_rows_and_pictures_with_masks_for_some(run: SimpleNamespace) -> None:
    files = _files_of(run, "asmaimages")
    assert any("attack/asma/images/artifact_path" in row for row in run.history)
    table = json.loads(files["attack/asma/images.table.json"].read_text())
    column = {name: index for index, name in enumerate(table["columns"])}
    assert [line[column["id"]] for line in table["data"]] == [f"image {index}" for index in range(IMAGES)]
    assert [line[column["psnr"]] for line in table["data"]] == [None, 31, 32, 33]
    assert [line[column["jpeg_iou_target"]] for line in table["data"]] == [0, 0.125, 0.25, 0.375]
    assert "adv8_iou_target" in column
    assert "adv_confusion_truth" not in column
    for name, value in (("clean", 40), ("adversarial", 49)):
        first, second, *rest = [line[column[name]] for line in table["data"]]
        assert rest == [None, None]
        assert np.asarray(Image.open(files[first["path"]]))[0, 0].tolist() == [value] * 3
        assert np.asarray(Image.open(files[second["path"]]))[0, 0].tolist() == [value + 1] * 3
        masks = {name: np.asarray(Image.open(files[mask["path"]])) for name, mask in first["masks"].items()}
        assert masks["truth"].tolist() == np.eye(8).tolist()
        assert masks["target"].tolist() == (1 - np.eye(8)).tolist()
        assert masks["prediction"].tolist() == masks["truth" if name == "clean" else "target"].tolist()


def test_a_montage_is_logged_of_the_attack_that_has_one(run: SimpleNamespace) -> None:
    (logged,) = [row for row in run.history if any("/montage" in key for key in row)]
    picture = next((run.folder / "wandb").glob("offline-run-*/files")) / logged["attack/asma/montage/path"]
    assert np.asarray(Image.open(picture)).tolist() == np.full((4, 6, 3), 77).tolist()


def test_numbers_of_the_summary_are_the_runs_summary(run: SimpleNamespace) -> None:
    summary = wandb_log.updates(run.found, "summary")
    assert summary["victim_check"] == "randomness: it is random"
    assert "attack/asma/images" not in summary  # a number here would take the place of the table
    (asma, noise) = run.summaries
    assert summary["attack/asma/success8_rate"] == asma["success8_rate"] == 0.75
    assert summary["attack/noise/adv8_iou_target/mean"] == noise["adv8_iou_target"]["mean"]
    assert summary["attack/asma/steps/ci95/low"] == asma["steps"]["ci95"][0]
    assert summary["attack/asma/steps/ci95/high"] == asma["steps"]["ci95"][1]
    assert summary["attack/asma/dataset/clean_miou"] == asma["dataset"]["clean_miou"]
    assert "attack/asma/psnr/mean" not in summary  # infinite
    assert "attack/asma/l2/median_all8_ci95/low" in summary
    assert "attack/asma/l2/median_all8_ci95/high" not in summary  # infinite too
    assert "attack/asma/iou" not in summary  # the end of a curve is no result


def test_rows_and_checkpoint_are_artifacts(run: SimpleNamespace) -> None:
    artifacts = {artifact.type: artifact for artifact in _kind(run, "artifact")}
    assert {"rows", "model"} <= set(artifacts)
    rows = _files_of(run, artifacts["rows"].name)
    assert {name: path.parent for name, path in rows.items()} == dict.fromkeys(
        ("records.parquet", "traces.parquet", "summary.json"), run.folder
    )
    assert _files_of(run, artifacts["model"].name)["best.ckpt"].read_bytes() == b"weights"


def test_what_waits_for_upload_lies_in_the_runs_folder(run: SimpleNamespace) -> None:
    waiting = [Path(entry.local_path) for artifact in _kind(run, "artifact") for entry in artifact.manifest.contents]
    assert len(waiting) > 10
    assert [path for path in waiting if run.folder not in path.parents] == []


class _BrokenRun:
    """A run whose history cannot be written, but whose summary can."""

    id = "abc"

    def __init__(self) -> None:
        self.summary: dict[str, Any] = {}

    def define_metric(self, *_: Any, **__: Any) -> None:
        raise OSError("no space left")

    log = log_artifact = define_metric


def test_a_failing_client_is_one_warning_and_the_rest_is_tried(caplog: pytest.LogCaptureFixture) -> None:
    run = _BrokenRun()
    with caplog.at_level(logging.WARNING):
        log_attack_epoch(run, FinishedEpoch(rows=rows(), traces=traces(), summaries=summarise(rows())))
    (record,) = caplog.records
    assert "logging curves failed, the run goes on (OSError: no space left)" in record.getMessage()
    assert run.summary["attack/asma/attacked"] == IMAGES


def test_a_picture_that_cannot_be_read_does_not_cost_the_table(caplog: pytest.LogCaptureFixture) -> None:
    def missing(row: Mapping[str, Any]) -> MontageItem:
        raise FileNotFoundError(f"{row['id']}.png")

    logged: dict[str, Any] = {}
    run = SimpleNamespace(id="abc", summary={}, define_metric=lambda *_, **__: None, log=logged.update)
    with caplog.at_level(logging.WARNING):
        log_attack_epoch(run, FinishedEpoch(rows=rows(), traces=traces(), summaries=[], media=missing))
    (record,) = [record for record in caplog.records if record.name.startswith("benchmark.")]
    assert "reading the pictures of image 0 failed" in record.getMessage()
    assert len(logged["attack/asma/images"].data) == IMAGES


def test_without_a_run_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    from pytorch_lightning.loggers.logger import DummyExperiment

    log_attack_epoch(DummyExperiment(), FinishedEpoch(rows=rows(), traces=traces(), summaries=summarise(rows())))
    assert caplog.records == []
