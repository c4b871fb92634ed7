"""What an image started from: the point that the attack or budget before has kept."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.evaluation.plan import Attack
from benchmark.evaluation.scoring import score_perturbation
from benchmark.evaluation.warm_starts import cold_ids
from benchmark.images.image_files import load_picture
from benchmark.past_runs.mismatch import RESUME, Mismatch, differing, row_place
from benchmark.past_runs.past_run import PastRun
from benchmark.runs.points import load_point
from benchmark.runs.row_files import RowFiles
from benchmark.runs.row_schema import COLD_COLUMNS
from benchmark.verify.bounds import judged_score
from benchmark.verify.relations import Relation

START_COLUMNS = ("point_sha256", "start_sha256")
_EXACT, _TIES = 1e-9, 0.01  # by how much equal scores may differ in float64, and where classes tie within float32


class StartChecks:
    """Checks what rows say of the points that they kept and started from.

    Args:
        past_run: the run.
        attacks: of the run, by their names in rows; None: unknown.
    """

    def __init__(self, past_run: PastRun, attacks: Mapping[str, Attack] | None) -> None:
        self._past_run, self._files, self._attacks = past_run, RowFiles(past_run.run), attacks
        self._rows = {(row["attack"], row["id"]): row for row in past_run.rows}
        count, seed = int(past_run.config["cold_images"]), int(past_run.config["seed"])
        self._cold = cold_ids(past_run.data.test_ids(), count, seed)

    def mismatches(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        """How the row differs from its point, from the row below, and from what cold starts there have to be."""
        kept = row["point_sha256"] is not None
        starts = any(one.start_from == row["attack"] for one in (self._attacks or {}).values())
        if row["attack"] in (self._attacks or {}) and starts != kept:
            what = f"row says {row['point_sha256']!r}, {'an' if starts else 'no'} attack starts from it"
            yield Mismatch(row_place(row), what, column="point_sha256")
        elif kept:
            yield from self._of_point(row, case)
        yield from self._of_start(row, case)
        expected = row["start_from"] is not None and row["id"] in self._cold
        for name in COLD_COLUMNS:
            value = row[name]
            fits = not isinstance(value, float) or 0 <= value <= 1
            if (value is not None) != expected or not fits:
                wanted = "is one of those that start cold, too" if expected else "is none of those that start cold"
                yield Mismatch(row_place(row), f"row says {value!r}, the image {wanted}", column=name)
        if expected and all(row[name] is not None for name in COLD_COLUMNS):
            for name, holds, what in self._of_cold(row, case):
                if not holds:
                    yield Mismatch(row_place(row), f"row says {row[name]!r}, {what}", column=name)

    def _of_cold(self, row: Mapping[str, Any], case: Case) -> Iterator[Relation]:
        """Bounds of what became of the image started cold, of which no file is kept."""
        judge, judged = self._past_run.judge, judged_score(row, case, self._past_run.judge)
        if (score := row.get(f"cold_start_{judged}")) is not None:
            holds = bool(judge.holds(torch.tensor(score, dtype=torch.float64)))
            what = f"cold_start_{judged}={score} says otherwise"
            yield Relation("cold_start_success8", row["cold_start_success8"] == holds, what)
        attack = None if self._attacks is None else self._attacks.get(row["attack"])
        if attack is None:
            return
        cold, limit = attack.cold(), self._past_run.config["engine"].get("max_passes")
        steps, passes = row["cold_start_steps"], row["cold_start_passes"]
        least = 1 + cold.rule.passes_per_step * steps
        most = math.inf if limit is None else cold.passes(limit)
        fits = steps >= 0 and least <= passes <= most
        yield Relation("cold_start_passes", fits, f"must be from {least} to {most} for {steps} steps")
        if limit is None:
            yield Relation("cold_start_steps", steps <= cold.steps, f"must be at most {cold.steps}")

    def _of_start(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        start, below = row["start_sha256"], self._rows.get((row["start_from"], row["id"]))
        if (row["start_from"] is None) != (start is None):
            what = f"row says {start!r}, its attack starts from {row['start_from'] or 'no other'}"
            yield Mismatch(row_place(row), what, column="start_sha256")
        elif below is not None and start != below["point_sha256"]:
            what = f"row says {start!r}, {below['attack']} has kept {below['point_sha256']!r}"
            yield Mismatch(row_place(row), what, column="start_sha256")
        if below is None or row["eps"] < below["eps"]:
            return  # the start is what the smaller budget leaves of the point, of which nothing is kept
        if row["at_floor"] and row["adv8_sha256"] != below["adv8_sha256"]:
            what = f"row says {row['at_floor']!r}, but {below['attack']} has another image"
            yield Mismatch(row_place(row), what, column="at_floor")
        attack = None if self._attacks is None else self._attacks.get(row["attack"])
        if attack is not None and attack.keep == "score":
            yield from self._of_gain(row, below, case)

    def _of_gain(self, row: Mapping[str, Any], below: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        """A start is the first iterate that is kept, so that none with a worse score can be kept after it."""
        judge, judged = self._past_run.judge, judged_score(row, case, self._past_run.judge)
        name = f"adv_{judged}"
        score, start = (one.get(name) for one in (row, below))
        if score is None or start is None:
            return
        grows = (judge.op == ">=") != ((judge.metric, judge.reference) == ("apsr", "truth"))
        worse = start - score if grows else score - start
        if worse > (_EXACT if self._past_run.exact else _TIES):
            what = f"row says {score!r}, and its start, {below['attack']}, {start!r}"
            yield Mismatch(row_place(row), what, column=name, predicted=True)

    def _of_point(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        """The point is the float result: rounded it has to be the saved image, and to have the row's norms."""
        run, place, column = self._past_run.run, row_place(row), "point_sha256"
        path = run.point(row["attack"], row["id"])
        if (what := self._files.point_damage(row)) is not None:
            what = f"row says {row[column]!r}, {path.relative_to(run.path)} {what}"
            yield Mismatch(place, what, RESUME, column)
            return
        point = torch.from_numpy(load_point(path, inside=run.path))
        if point.shape != case.image.shape:
            what = f"its point has the shape {(*point.shape,)}, its image {(*case.image.shape,)}"
            yield Mismatch(place, what, column=column)
            return
        yield from differing(row, score_perturbation(case.image, point), "its point gives")
        try:
            adv8 = load_picture(run.adversarial(row["attack"], row["id"]), inside=run.path)
        except InputError:
            return  # which is reported with the pictures
        if not torch.equal(self._past_run.quantizer.round(point).float(), adv8):
            yield Mismatch(place, "its point, rounded, is not the saved image", column=column)
