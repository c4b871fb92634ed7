from typing import Any

import pyarrow as pa
import pytest

from benchmark.results.traces import MAX_POINTS, mean_curve, per_image
from benchmark.runs.tables import TRACES

SCHEMA = TRACES.schema_with(["multiplier"])  # as a rule reports it
MEASURED = [name for name in SCHEMA.names if name not in TRACES.key]


def _traces(*points: tuple[str, int, float | None]) -> pa.Table:
    rows: list[dict[str, Any]] = [
        dict.fromkeys(MEASURED, 1.0) | {"attack": "asma", "id": image, "step": step, "iou": iou}
        for image, step, iou in points
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def test_a_finished_image_stays_in_the_mean_with_its_last_value() -> None:
    lines = per_image(_traces(("b", 4, 0.6), ("a", 0, 0.2), ("a", 2, 1.0), ("b", 0, 0.0), ("b", 2, 0.4)))
    curve = mean_curve(lines, {"a": 2, "b": 4})
    assert [point["step"] for point in curve] == [0, 2, 4]
    assert [point["iou"] for point in curve] == pytest.approx([0.1, 0.7, 0.8])
    assert [point["active"] for point in curve] == [2, 2, 1]


def test_an_image_enters_the_mean_at_its_first_point_and_missing_values_are_left_out() -> None:
    curve = mean_curve(per_image(_traces(("a", 0, 0.2), ("b", 1, 0.6), ("c", 1, None), ("c", 0, None))), {})
    assert [point["iou"] for point in curve] == pytest.approx([0.2, 0.4])
    nothing = mean_curve(per_image(_traces(("a", 0, None))), {"a": 0})
    assert nothing == [{"step": 0, "active": 1} | dict.fromkeys(MEASURED[1:], 1.0)]
    assert mean_curve({}, {}) == []


def test_long_curves_are_thinned_and_keep_both_ends() -> None:
    curve = mean_curve(per_image(_traces(*(("a", step, step / 3000) for step in range(3000)))), {"a": 2999})
    assert len(curve) == MAX_POINTS
    assert (curve[0]["step"], curve[-1]["step"]) == (0, 2999)
    assert all(point["iou"] == pytest.approx(point["step"] / 3000) for point in curve)
