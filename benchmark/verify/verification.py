"""A run, finished or not, held against its saved bytes: every fault it has, one after the other."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import torch
from torch import nn

from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import frozen, normalise_precision
from benchmark.errors import InputError
from benchmark.past_runs.mismatch import Mismatch, row_place
from benchmark.runs import tables
from benchmark.runs.tables import group_rows
from benchmark.verify.predictions import Predictions
from benchmark.verify.rows import Recorded, RowChecks
from benchmark.verify.summary import summary_faults
from benchmark.verify.table import finished, table_faults


class Verification:
    """One pass over a run.

    Args:
        recorded: the run.
        model: what it attacked, on the device that predicts; None: nothing is predicted.
        victim: what rows have to call it; None: not checked.

    Attributes:
        checks: which columns have been checked, once the faults have been taken.
    """

    def __init__(self, recorded: Recorded, model: nn.Module | None, victim: str | None) -> None:
        self._recorded, self._stack, predictions = recorded, ExitStack(), None
        # As rows are scored: in float32 whatever the attack's passes ran in, unless those were exact.
        exact = normalise_precision(recorded.config["engine"].get("precision")) == 64
        if model is not None:
            self._stack.enter_context(frozen(model, torch.float64 if exact else torch.float32))
            predictions = Predictions(
                AttackedModel(model, 64 if exact else 32), recorded.past_run, recorded.defences or {}
            )
        self.checks = RowChecks(recorded, predictions, victim)

    def mismatches(self, advance: Callable[[], object]) -> Iterator[Mismatch]:
        """Everything that differs; `advance` is called for every row that is done.

        Raises:
            InputError: the data cannot be read although they are those of the run.
        """
        past_run, folder = self._recorded.past_run, self._recorded.past_run.folder
        with self._stack:
            of_data = list(past_run.data_mismatches())
            yield from of_data
            yield from self._environment_faults()
            yield from table_faults(folder, past_run.rows, self._recorded.attacks, past_run.data.test_ids())
            try:
                past_run.read_data()
            except InputError as error:
                if not of_data:
                    raise
                yield Mismatch("data", f"cannot be read: {error}")
            else:
                yield from self._row_faults(advance)
            if finished(folder):
                yield from summary_faults(folder, tables.read(folder))

    def _environment_faults(self) -> Iterator[Mismatch]:
        past_run, environment = self._recorded.past_run, self._recorded.environment
        given = {"seed": self._recorded.config.get("seed")}
        if not self._recorded.moved:  # a folder's data are called what the folder is called
            given["data"] = past_run.data.name
        if "config_sha256" in environment:
            given["config_sha256"] = hashlib.sha256((past_run.folder / "config.yaml").read_bytes()).hexdigest()
        for name, value in given.items():
            if (said := environment.get(name)) != value:
                yield Mismatch("environment.json", f"says {said!r}, config.yaml gives {value!r}", column=name)

    def _row_faults(self, advance: Callable[[], object]) -> Iterator[Mismatch]:
        past_run = self._recorded.past_run
        known = set(past_run.data.test_ids())
        for image_id, rows in group_rows(past_run.rows, "id").items():
            case, reason = None, ""
            if image_id in known:  # else it has been told
                try:
                    (case,) = past_run.cases([image_id])
                except InputError as error:
                    reason = str(error)
            for row in rows:
                if case is not None:
                    yield from self.checks.mismatches(row, case)
                elif reason:
                    yield Mismatch(row_place(row), f"row says {row['target']!r}, {reason}", column="target")
                advance()
