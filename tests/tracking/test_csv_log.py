"""metrics.csv goes on where an earlier start of the run has ended."""

import csv
from pathlib import Path

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


def test_what_a_killed_start_had_put_aside_comes_back(tmp_path: Path) -> None:
    _log(tmp_path, 1, loss=0.5)
    (tmp_path / "metrics.csv").rename(tmp_path / ".metrics.csv.kept")
    _log(tmp_path, 2, loss=0.25)
    assert (tmp_path / "metrics.csv").read_text().split() == ["loss,step", "0.5,1", "0.25,2"]
    assert not (tmp_path / ".metrics.csv.kept").exists()
