"""metrics.csv across the starts of a run: a resumed run goes on with it."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment

from benchmark.atomic_files import save_text
from benchmark.errors import InputError
from benchmark.regular_files import open_regular
from benchmark.runs import layout

_LARGEST = 2**28  # bytes


class ContinuedCSVLogger(CSVLogger):
    """A CSVLogger that keeps the lines of an existing file, which Lightning's CSVLogger deletes."""

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer."""
        if self._experiment is None:
            self._experiment = WholeFileWriter(self.log_dir)
        return self._experiment


class WholeFileWriter(ExperimentWriter):
    """Lightning's writer, but the file is written whole each time, with the lines of earlier starts first.

    A training that was killed goes on from its last checkpoint and logs once more what it has logged since: such lines
    take the place of the earlier ones.
    """

    def __init__(self, log_dir: str) -> None:
        # Not Lightning's own, which deletes the file.
        self.metrics, self.metrics_keys, self.hparams = [], [], {}
        self.log_dir, self._path = log_dir, Path(log_dir, layout.METRICS)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._earlier, self._goes_on = _lines(self._path), False

    def log_metrics(self, metrics_dict: dict[str, float], step: int | None = None) -> None:
        """Record a line."""
        super().log_metrics(metrics_dict, step)
        line = self.metrics[-1]
        if not self._goes_on:
            self._goes_on = True
            self._earlier = [earlier for earlier in self._earlier if int(earlier["step"]) <= line["step"]]
        repeated = (str(line["step"]), line.keys())
        self._earlier = [earlier for earlier in self._earlier if (earlier["step"], earlier.keys()) != repeated]

    def save(self) -> None:
        """Write the file."""
        lines: list[Mapping[str, Any]] = [*self._earlier, *self.metrics]
        if not self.metrics:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, sorted({name for line in lines for name in line}))
        writer.writeheader()
        writer.writerows(lines)
        save_text(self._path, text.getvalue(), newline="")


def _lines(path: Path) -> list[dict[str, str]]:
    """The lines of an existing file, without empty cells; those without a step, such as half a line, are left out."""
    if path.exists() and (size := path.stat().st_size) > _LARGEST:
        raise InputError(f"{path}: has {size} bytes, at most {_LARGEST} are read; restore what the run wrote")
    try:
        with io.TextIOWrapper(open_regular(path, path.parent), encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return []
    kept = [{name: value for name, value in line.items() if name and value} for line in lines]
    return [line for line in kept if line.get("step", "").isdecimal()]
