"""metrics.csv across the starts of a run: a resumed run appends to it."""

import csv
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment

from benchmark.runs import layout


class ContinuedCSVLogger(CSVLogger):
    """A CSVLogger that keeps the lines of an existing file, which Lightning's CSVLogger deletes."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer."""
        path = Path(self.log_dir, layout.METRICS)
        kept_file = path.with_name(f".{layout.METRICS}.kept")
        if self._experiment is not None or not (path.exists() or kept_file.exists()):
            return super().experiment
        if not kept_file.exists():  # it exists if an earlier start was killed before the file was moved back
            path.replace(kept_file)
        writer = super().experiment
        kept_file.replace(path)
        with path.open(newline="") as file:
            writer.metrics_keys = sorted(next(csv.reader(file), []))
        return writer
