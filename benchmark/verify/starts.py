"""What an image started from: the point that the attack with the next smaller budget has kept, and cold starts."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchmark.errors import InputError
from benchmark.evaluation.case import Case
from benchmark.evaluation.scoring import score_perturbation
from benchmark.evaluation.warm_starts import cold_ids
from benchmark.images.image_files import load_picture
from benchmark.past_runs.mismatch import RESUME, Mismatch, differing, row_place
from benchmark.past_runs.past_run import PastRun
from benchmark.runs.points import load_point
from benchmark.runs.row_files import RowFiles
from benchmark.runs.row_schema import COLD_COLUMNS

START_COLUMNS = ("point_sha256", "start_sha256")


class StartChecks:
    """Checks what rows say of the points that they kept and started from.

    Args:
        past_run: the run.
    """

    def __init__(self, past_run: PastRun) -> None:
        self._past_run, self._files = past_run, RowFiles(past_run.run)
        self._rows = {(row["attack"], row["id"]): row for row in past_run.rows}
        count, seed = int(past_run.config["cold_images"]), int(past_run.config["seed"])
        self._cold = cold_ids(past_run.data.test_ids(), count, seed)

    def mismatches(self, row: Mapping[str, Any], case: Case) -> Iterator[Mismatch]:
        """How the row differs from its point, from the row below, and from what cold starts there have to be."""
        if row["point_sha256"] is not None:
            yield from self._of_point(row, case)
        yield from self._of_start(row)
        expected = row["start_from"] is not None and row["id"] in self._cold
        for name in COLD_COLUMNS:
            value = row[name]
            fits = not isinstance(value, float) or 0 <= value <= 1
            if (value is not None) != expected or not fits:
                wanted = "is one of those that start cold, too" if expected else "is none of those that start cold"
                yield Mismatch(row_place(row), f"row says {value!r}, the image {wanted}", column=name)

    def _of_start(self, row: Mapping[str, Any]) -> Iterator[Mismatch]:
        start, below = row["start_sha256"], self._rows.get((row["start_from"], row["id"]))
        if (row["start_from"] is None) != (start is None):
            what = f"row says {start!r}, its attack starts from {row['start_from'] or 'no other'}"
            yield Mismatch(row_place(row), what, column="start_sha256")
        elif below is not None and start != below["point_sha256"]:
            what = f"row says {start!r}, {below['attack']} has kept {below['point_sha256']!r}"
            yield Mismatch(row_place(row), what, column="start_sha256")
        if below is not None and row["at_floor"] and row["adv8_sha256"] != below["adv8_sha256"]:
            what = f"row says {row['at_floor']!r}, but {below['attack']} has another image"
            yield Mismatch(row_place(row), what, column="at_floor")

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
