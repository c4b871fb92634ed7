"""Comparing a run, finished or not, with its saved files: all mismatches, one after the other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import frozen
from benchmark.errors import InputError
from benchmark.past_runs.mismatch import RESUME, Mismatch, row_place
from benchmark.past_runs.past_run import PastRun
from benchmark.runs import layout, tables
from benchmark.runs.tables import group_rows
from benchmark.verify.labels import unlike_predictions
from benchmark.verify.predictions import Predictions
from benchmark.verify.recorded import RecordedCode
from benchmark.verify.report_files import report_mismatches
from benchmark.verify.rows import RowChecks
from benchmark.verify.summary import summary_mismatches
from benchmark.verify.table import has_ended, missing_rows, table_mismatches
from benchmark.verify.victim_check import checked_again


class Verification:
    """One pass over a run.

    Args:
        past_run: the run.
        code: its attacks and input transforms.
        model: the victim of the run, on the device that is to predict; None: columns that need it are not recomputed.
        victim: what rows have to call it; None: any name.
        report: whether the texts and pictures of the report are made again and compared, too.

    Attributes:
        checks: the checks of rows; it knows which columns were checked once `mismatches` has ended.
        ended: whether the attack epoch of the run has ended.
        missing: (attack, id) of the images that have no row.
        explaining: recorded findings of the victim's check that explain mismatches of predictions; known once
            `mismatches` has ended.
    """

    def __init__(
        self, past_run: PastRun, code: RecordedCode, model: nn.Module | None, victim: str | None, *, report: bool = True
    ) -> None:
        self._past_run, self._stack, predictions = past_run, ExitStack(), None
        self._network: AttackedModel | None = None
        if model is not None:
            self._stack.enter_context(frozen(model, torch.float64 if past_run.exact else torch.float32))
            self._network = AttackedModel(model, 64 if past_run.exact else 32)
            predictions = Predictions(self._network, past_run, code.defences or {})
        self.checks = RowChecks(past_run, code.attacks, predictions, victim)
        self._report, self._model = report, model
        self.explaining: list[str] = []
        self.ended = has_ended(past_run.run, past_run.environment)
        self.missing = list(missing_rows(past_run.rows, code.attacks, past_run.data.test_ids()))

    @property
    def complete(self) -> bool:
        """Whether every image has its row, and the run its summary."""
        return not self.missing and self._past_run.run.summary_file.exists()

    def mismatches(self, advance: Callable[[], object]) -> Iterator[Mismatch]:
        """Everything that differs from what was recorded; `advance` is called after each row.

        Raises:
            InputError: the data are those of the run and cannot be read.
        """
        past_run, folder = self._past_run, self._past_run.folder
        with self._stack:
            of_data = list(past_run.data_mismatches())
            yield from of_data
            yield from self._environment_mismatches()
            yield from past_run.altered_tables()
            yield from table_mismatches(past_run.run, self.missing, ended=self.ended)
            try:
                past_run.read_data()
            except InputError as error:
                if not of_data:
                    raise
                yield Mismatch("data", f"cannot be read: {error}")
            else:
                yield from past_run.label_mismatches()
                if self._network is not None:
                    yield from unlike_predictions(past_run, self._network)
                yield from self._row_mismatches(advance)
                if self._model is not None:
                    again = checked_again(past_run, self._model)
                    self.explaining = again.explaining
                    yield from again.mismatches
            if past_run.run.summary_file.exists():
                yield from summary_mismatches(past_run.run, tables.read(folder, altered=True))
                if self._report:
                    montage = _section(past_run.config, "run").get("montage")
                    yield from report_mismatches(past_run.run, montage if isinstance(montage, int) else 0)

    def _environment_mismatches(self) -> Iterator[Mismatch]:
        past_run = self._past_run
        try:
            past_run.run.check_environment()
        except InputError:
            yield Mismatch(layout.ENVIRONMENT, "was changed after the run wrote it", RESUME)
        expected = {"seed": past_run.config.get("seed"), "config_sha256": past_run.run.config_sha256()}
        if not past_run.moved:  # the data of a folder are called what the folder is called
            expected["data"] = past_run.data.name
        for name, value in expected.items():
            if (recorded := past_run.environment.get(name)) != value:
                what = f"says {recorded!r}, {layout.CONFIG} gives {value!r}"
                yield Mismatch(layout.ENVIRONMENT, what, column=name)

    def _row_mismatches(self, advance: Callable[[], object]) -> Iterator[Mismatch]:
        known = set(self._past_run.data.test_ids())
        for image_id, rows in group_rows(self._past_run.rows, "id").items():
            case, reason = None, ""
            if image_id in known:  # others have been reported with the data
                try:
                    (case,) = self._past_run.cases([image_id])
                except InputError as error:
                    reason = str(error)
            for row in rows:
                if case is not None:
                    yield from self.checks.mismatches(row, case)
                elif reason:
                    yield Mismatch(row_place(row), f"row says {row['target']!r}, {reason}", column="target")
                advance()


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, dict) else {}
