"""Checking one row at a time: every column is recomputed from saved files, or compared with bounds that they imply."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from torch import Tensor

from benchmark.engine.precision import normalise_precision
from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.evaluation.plan import Attack
from benchmark.evaluation.scoring import score_perturbation, score_target
from benchmark.images.image_files import load_picture
from benchmark.label_subsets import NO_LABEL
from benchmark.past_runs.mismatch import RESUME, Interval, Mismatch, differing, row_place
from benchmark.past_runs.past_run import PastRun
from benchmark.regular_files import file_sha256
from benchmark.results.column_arrays import NORM_COLUMNS
from benchmark.runs import layout
from benchmark.runs.row_files import RowFiles
from benchmark.runs.row_schema import COLD_COLUMNS
from benchmark.verify.bounds import counts_of, outcome, scores_from_counts, visibility
from benchmark.verify.effort import Counting, effort
from benchmark.verify.pictures import picture_mismatches
from benchmark.verify.predictions import Predictions
from benchmark.verify.relations import Relation, Trace
from benchmark.verify.starts import START_COLUMNS, StartChecks
from benchmark.verify.table import kept_traces

_FILE_NORMS = ("l1", "l2", "linf", "psnr")


class RowChecks:
    """Checks the rows of a run; the rows of one image should come one after the other.

    Args:
        past_run: the run.
        attacks: of the run, by their names in rows; None: unknown, so that their columns are not recomputed.
        predictions: of its victim; None: columns that need the victim are not recomputed.
        victim: what rows have to call the victim; None: any name.

    Attributes:
        recomputed: columns that have been recomputed.
        bounded: columns that have been compared with other columns, or with bounds that the files imply.
    """

    def __init__(
        self,
        past_run: PastRun,
        attacks: Mapping[str, Attack] | None,
        predictions: Predictions | None,
        victim: str | None,
    ) -> None:
        self._past_run, self._attacks, self._predictions = past_run, attacks, predictions
        self._rows = {(row["attack"], row["id"]): row for row in past_run.rows}
        self._traces = kept_traces(past_run.folder, past_run.rows, past_run.judge)
        self._common = {"seed": past_run.config.get("seed")}
        self._common |= {"data": past_run.environment.get("data"), "run": past_run.environment.get("name")}
        self._common |= {name: past_run.environment.get(name) for name in ("weights_sha256", "data_fingerprint")}
        self._files, self._starts = RowFiles(past_run.run), StartChecks(past_run, attacks)
        if victim is not None:
            self._common["victim"] = victim
        engine = past_run.config["engine"]
        reduced = normalise_precision(engine.get("precision")) not in (64, 32)
        # A success in reduced precision is judged again before it is confirmed.
        self._counting = Counting(engine.get("max_passes"), engine.get("confirm", True), 2 if reduced else 1)
        self.recomputed: set[str] = set()
        self.bounded: set[str] = set()

    @property
    def unchecked(self) -> list[str]:
        """Columns that have not been checked in any way."""
        return sorted(set(self._past_run.rows[0]) - self.recomputed - self.bounded)

    def mismatches(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        """The first mismatch of each column of a row."""
        found: dict[str, Mismatch] = {}
        for mismatch in self._mismatches(row, case):
            first = found.setdefault(mismatch.column, mismatch)
            if first.predicted and not mismatch.predicted:  # it contradicts more than a prediction
                found[mismatch.column] = replace(first, predicted=False)
        yield from found.values()

    def _mismatches(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        data, attack = self._past_run.data, None
        target = score_target(case.truth, case.target, case.target_valid, data.classes, data.background)
        yield from self._compare(row, self._past_run.expected_columns(case) | target | self._common)
        if self._predictions is not None:
            drawn = self._predictions.targets(case.id)
            named = (one for one in drawn if not any(differing(row, one)))
            by_prediction = self._past_run.target.max_iou is not None
            yield from self._compare(row, next(named, drawn[0]), "the program draws", predicted=by_prediction)
        yield from picture_mismatches(self._past_run.run, row, case, data.classes)
        with suppress(OSError):  # a picture that cannot be read has just been named
            yield from self._compare(row, {"pictures_sha256": self._files.pictures_sha256(row["attack"], case.id)})
        if self._attacks is not None:
            attack = self._attacks.get(row["attack"])
            if attack is None:
                yield Mismatch(row_place(row), f"{layout.CONFIG} has no such attack", column="attack")
            else:
                saved = attack.passes_saved(row["passes"], self._counting.max_passes)
                yield from self._compare(row, attack.columns(row["attack"]) | {"passes_saved": saved})
        yield from self._starts.mismatches(row, case)
        self.recomputed.update(START_COLUMNS)
        self.bounded.update(COLD_COLUMNS)
        predicted: dict[str, Any] = {}
        unreadable, adv8 = self._picture(row, case)
        yield from unreadable
        tables, counted = counts_of(row, case, data.classes)
        file = None if adv8 is None else score_perturbation(case.image, adv8)
        if adv8 is not None and file is not None:
            path = self._past_run.run.adversarial(row["attack"], row["id"])
            norms = {f"adv8_{name}": file[name] for name in _FILE_NORMS}
            yield from self._compare(row, norms | {"adv8_sha256": file_sha256(path, self._past_run.folder)})
            targeted = row["targeted"] if attack is None else attack.rule.targeted
            if self._predictions is not None:
                predicted = self._predictions.columns(case, adv8, bool(targeted))
                yield from self._compare(row, predicted, predicted=True)
        yield from self._demand(row, counted)
        scores = scores_from_counts(tables, data.background)
        self.bounded |= scores.keys()
        yield from differing(row, scores, "its confusion counts give")
        yield from self._demand(row, outcome(row, case, self._past_run.judge))
        trace = self._trace(row, case)
        if row["steps"] and trace is None:
            yield Mismatch(row_place(row), "is missing", RESUME, "trace")
        decided = not isinstance(predicted.get("success8"), Interval)
        yield from self._demand(row, effort(row, attack, self._counting, trace, decided=decided))
        if file is not None:
            relations = visibility(
                row, case, file=file, budget=self._budget(row), trace=trace, quantizer=self._past_run.quantizer
            )
            yield from self._demand(row, relations)

    def _trace(self, row: Mapping[str, Any], case: Case) -> Trace | None:
        trace, background = self._traces.get((row["attack"], row["id"])), row["background"]
        background = NO_LABEL if row["overlapping"] else background
        if trace is not None and self._past_run.judge.judges_what_is_left(case.target, case.target_valid, background):
            return trace._replace(refused=0)  # a trace has the overlap, which stays 0 until nothing is left
        return trace

    def _picture(self, row: Mapping[str, Any], case: Case) -> tuple[list[Mismatch], Tensor | None]:
        """The adversarial image, or why it cannot be compared with the clean one."""
        mismatches = list(self._past_run.picture_mismatches(row))
        path = self._past_run.run.adversarial(row["attack"], row["id"])
        try:
            adv8 = load_picture(path, inside=self._past_run.folder)
        except InputError as error:
            return mismatches or [Mismatch(row_place(row), str(error))], None
        if adv8.shape == case.image.shape:
            return mismatches, adv8
        sizes = f"{tuple(adv8.shape)}, the clean image is {tuple(case.image.shape)}"
        return mismatches or [Mismatch(row_place(row), f"its picture is {sizes}", column="adversarial")], None

    def _budget(self, row: Mapping[str, Any]) -> float | None:
        """The largest norm that the perturbation of the row may have; None: any."""
        reference = self._rows.get((row["equal_norm"], row["id"]))
        if reference is None:
            return row["eps"]
        return reference.get(NORM_COLUMNS.get(str(row["norm"]), ""))

    def _compare(
        self, row: Mapping[str, Any], expected: Mapping[str, Any], how: str = "recomputed", *, predicted: bool = False
    ) -> Iterator[Mismatch]:
        self.recomputed |= expected.keys()
        return differing(row, expected, how, predicted=predicted)

    def _demand(self, row: Mapping[str, Any], relations: Iterable[Relation]) -> Iterator[Mismatch]:
        for name, holds, what in relations:
            self.bounded.add(name)
            if not holds:
                yield Mismatch(row_place(row), f"row says {row.get(name)!r}, {what}", column=name)
