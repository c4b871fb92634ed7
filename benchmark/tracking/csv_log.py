"""Lightning's metrics.csv, which goes on where an earlier start of the same run has ended."""

import csv
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment


class ContinuedCSVLogger(CSVLogger):
    """A CSVLogger that keeps what is in the file already, where Lightning's deletes it."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """Lightning's writer."""
        path = Path(self.log_dir, "metrics.csv")
        aside = path.with_name(".metrics.csv.kept")
        if self._experiment is not None or not (path.exists() or aside.exists()):
            return super().experiment
        if not aside.exists():  # an earlier start may have been killed before it could put it back
            path.replace(aside)
        writer = super().experiment
        aside.replace(path)
        with path.open(newline="") as file:
            writer.metrics_keys = sorted(next(csv.reader(file), []))
        return writer
