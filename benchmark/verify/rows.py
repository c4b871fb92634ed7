"""One row at a time: every column made again from saved bytes, or held against what they imply."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.evaluation.plan import Attack
from benchmark.evaluation.scoring import score_perturbation, score_target
from benchmark.images.image_files import file_sha256, load_picture
from benchmark.past_runs.mismatch import Mismatch, differing, row_place
from benchmark.past_runs.past_run import PastRun
from benchmark.results.columns import NORM_COLUMNS
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS
from benchmark.verify.bounds import Relation, counts_of, effort, outcome, own_scores, visibility
from benchmark.verify.pictures import picture_mismatches
from benchmark.verify.predictions import Predictions
from benchmark.verify.table import kept_traces

_FILE_NORMS = ("l1", "l2", "linf", "psnr")


@dataclass(frozen=True)
class Recorded:
    """What a run says of itself.

    Attributes:
        source: its rows, and its data, target and judge made again.
        config, environment: config.yaml and environment.json.
        attacks: name in rows -> attack; None: code of the user's own, which is not made again.
        defences: name -> input transform; None as for attacks.
        moved: whether the data are somewhere else than where the run had them.
    """

    past_run: PastRun
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    attacks: Mapping[str, Attack] | None
    defences: Mapping[str, Callable[[Tensor], Tensor]] | None
    moved: bool = False


class RowChecks:
    """Checks rows, all of one image together.

    Args:
        recorded: the run.
        predictions: of its model; None: nothing is predicted.
        victim: what rows have to call the model; None: not checked.

    Attributes:
        recomputed: columns that have been made again.
        held: columns that have been held against others, or against bounds that the files imply.
    """

    def __init__(self, recorded: Recorded, predictions: Predictions | None, victim: str | None) -> None:
        past_run = recorded.past_run
        self._recorded, self._source, self._predictions = recorded, past_run, predictions
        self._rows = {(row["attack"], row["id"]): row for row in past_run.rows}
        self._traces = kept_traces(past_run.folder, past_run.rows)
        self._absent = RECORDS.missing(past_run.folder)
        self._common = {"seed": recorded.config.get("seed"), "data": recorded.environment.get("data")}
        self._common |= {} if victim is None else {"victim": victim}
        self._run = Counter(row["run"] for row in past_run.rows).most_common(1)[0][0]
        self.recomputed: set[str] = set()
        self.held: set[str] = set()

    @property
    def unchecked(self) -> list[str]:
        """Columns of which nothing has been checked, whether or not the rows have them."""
        there = {name for row in self._source.rows[:1] for name in row}
        return sorted(there - self.recomputed - self.held)

    def mismatches(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        """Of each column of a row the first fault."""
        told = set()
        for mismatch in self._mismatches(row, case):
            if mismatch.column not in told:
                told.add(mismatch.column)
                yield mismatch

    def _mismatches(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        data, attack = self._source.data, None
        target = score_target(case.truth, case.target, case.target_valid, data.classes, data.background)
        yield from self._expect(row, self._source.facts(case) | target | self._common)
        yield from picture_mismatches(self._source.folder, row, case, data.classes)
        yield from self._hold(row, [Relation("run", row["run"] == self._run, f"others say {self._run!r}")])
        if self._recorded.attacks is not None:
            attack = self._recorded.attacks.get(row["attack"])
            if attack is None:
                yield Mismatch(row_place(row), "config.yaml has no such attack", column="attack")
            else:
                yield from self._expect(row, attack.columns(row["attack"]))
        unreadable, adv8 = self._picture(row, case)
        yield from unreadable
        tables, counted = counts_of(row, case, data.classes)
        file = None if adv8 is None else score_perturbation(case.image, adv8)
        if adv8 is not None and file is not None:
            yield from self._expect(row, self._of_file(row, file))
            targeted = row["targeted"] if attack is None else attack.rule.targeted
            if self._predictions is not None:
                yield from self._expect(row, self._predictions.columns(case, adv8, bool(targeted)))
        yield from self._hold(row, counted)
        yield from self._hold_to(row, own_scores(tables, data.background))
        yield from self._hold(row, outcome(row, case, self._source.judge))
        trace = self._traces.get((row["attack"], row["id"]))
        limited = self._recorded.config["engine"].get("max_passes") is not None
        yield from self._hold(row, effort(row, attack, limited, trace))
        if file is not None:
            yield from self._hold(row, visibility(row, case, file, self._budget(row), trace))

    def _picture(self, row: Mapping[str, Any], case: Case) -> tuple[list[Mismatch], Tensor | None]:
        """The saved image, or why there is none that fits the clean one."""
        mismatches = list(self._source.picture_mismatches(row))
        path = RunFolder(self._source.folder).adversarial(row["attack"], row["id"])
        try:
            adv8 = load_picture(path)
        except InputError as error:
            return mismatches or [Mismatch(row_place(row), str(error))], None
        if adv8.shape == case.image.shape:
            return mismatches, adv8
        sizes = f"{tuple(adv8.shape)}, the clean image is {tuple(case.image.shape)}"
        return mismatches or [Mismatch(row_place(row), f"its picture is {sizes}", column="adversarial")], None

    def _of_file(self, row: Mapping[str, Any], file: Mapping[str, float]) -> dict[str, Any]:
        path = RunFolder(self._source.folder).adversarial(row["attack"], row["id"])
        return {f"adv8_{name}": file[name] for name in _FILE_NORMS} | {"adv8_sha256": file_sha256(path)}

    def _budget(self, row: Mapping[str, Any]) -> float | None:
        """What the norm of the row's perturbation may be at most."""
        copied = self._rows.get((row["equal_norm"], row["id"]))
        if copied is None:
            return row["eps"]
        return copied.get(NORM_COLUMNS.get(str(row["norm"]), ""))

    def _expect(self, row: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[Mismatch]:
        known = {name: value for name, value in expected.items() if name not in self._absent}
        self.recomputed |= known.keys()
        return differing(row, known)

    def _hold_to(self, row: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[Mismatch]:
        known = {name: value for name, value in expected.items() if name not in self._absent}
        self.held |= known.keys()
        return differing(row, known, "its own counts give")

    def _hold(self, row: Mapping[str, Any], relations: Iterable[Relation]) -> Iterator[Mismatch]:
        for name, holds, what in relations:
            if name not in self._absent:
                self.held.add(name)
                if not holds:
                    yield Mismatch(row_place(row), f"row says {row.get(name)!r}, {what}", column=name)
