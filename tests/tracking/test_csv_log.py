"""metrics.csv goes on where an earlier start of the run has ended."""

import csv
from pathlib import Path

import pytest

from benchmark.tracking.csv_log import ContinuedCSVLogger


def _log(folder: Path, step: int, **metrics: float) -> None:
    logger = ContinuedCSVLogger(folder, name="", version="")
    logger.log_metrics(metrics, step)
    logger.save()


def test_earlier_rows_stay_under_new_columns_too(tmp_path: Path) -> None:
    _log(tmp_path, 1, loss=0.5)
    _log(tmp_path, 2, loss=0.25)
    _log(tmp_path, 3, loss=0.125, iou=0.75)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]
    assert rows == [
        {"loss": "0.5", "step": "1"},
        {"loss": "0.25", "step": "2"},
        {"loss": "0.125", "iou": "0.75", "step": "3"},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_what_is_logged_again_after_a_kill_stands_there_once(tmp_path: Path) -> None:
    for step in (1, 3, 5):
        _log(tmp_path, step, iou=0.5)
        _log(tmp_path, step, loss=step / 8)
    # The checkpoint is from step 3, before that step's loss was logged.
    logger = ContinuedCSVLogger(tmp_path, name="", version="")
    logger.log_metrics({"loss": 0.75}, 3)
    logger.save()
    assert (tmp_path / "metrics.csv").read_text().split() == [
        *("iou,loss,step", "0.5,,1", ",0.125,1"),
        *("0.5,,3", ",0.75,3"),
    ]
    logger.log_metrics({"iou": 0.625}, 5)
    logger.log_metrics({"loss": 0.875}, 5)
    logger.finalize("success")
    assert (tmp_path / "metrics.csv").read_text().split()[-2:] == ["0.625,,5", ",0.875,5"]


@pytest.mark.parametrize(
    "damaged", ["", "iou,step\n0.5,1\n0.5", "iou,step\n0.5,1\n0.25,x\n", "iou,step\n0.5,1\n,,,,\n"]
)
def test_half_a_line_is_left_out(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "metrics.csv").write_text(damaged)
    _log(tmp_path, 2, iou=0.75)
    assert (tmp_path / "metrics.csv").read_text().split() == ["iou,step", *(["0.5,1"] if damaged else []), "0.75,2"]


@pytest.mark.parametrize("damaged", [b"\xff\xfe\x00", b"iou,step\n\x00,1\n"])
def test_what_cannot_be_read_is_written_anew(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(damaged)
    _log(tmp_path, 2, iou=0.75)
    assert (tmp_path / "metrics.csv").read_text().split()[-1] == "0.75,2"
