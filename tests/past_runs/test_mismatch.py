"""When a value is another one, and how that is said."""

import math
from typing import Any

import pytest

from benchmark.past_runs.mismatch import Interval, Mismatch, differing, same


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (1.0, 1.0 + 1e-12),
        (0.0, 1e-13),
        (math.inf, math.inf),
        (math.nan, math.nan),
        (None, None),
        ("a", "a"),
        ([1, 2], [1, 2]),
        (3, 3.0),
        (0.5, Interval(0.4, 0.6)),
        (0.4, Interval(0.4, 0.6)),
        (True, Interval(False, True)),
        ([1, 5], Interval([0, 5], [2, 5])),
    ],
)
def test_equal_up_to_rounding(said: Any, found: Any) -> None:
    assert same(said, found)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (1.0, 1.0 + 1e-8),
        (math.inf, 1.0),
        (math.nan, 0.0),
        (None, 0),
        (0, None),
        (0, False),
        (True, 1),
        ("1", 1),
        ([1, 2], [1, 3]),
        ([1, 2], [1, 2, 3]),
        ([1, None], [1, 2]),
        (0.61, Interval(0.4, 0.6)),
        (None, Interval(0.4, 0.6)),
        (True, Interval(0.4, 1.6)),
        ([1, 6], Interval([0, 5], [2, 5])),
        ([1], Interval([0, 5], [2, 5])),
        (1, Interval([0], [2])),
    ],
)
def test_different(said: Any, found: Any) -> None:
    assert not same(said, found)


def test_a_difference_names_row_column_and_both_values() -> None:
    row = {"attack": "pgd@8", "id": "a b", "l2": 1.5, "steps": 3}
    found = list(differing(row, {"l2": 1.25, "steps": 3, "gone": 0.5}))
    assert [str(mismatch) for mismatch in found] == [
        "pgd@8 / a b: l2: row says 1.5, recomputed 1.25",
        "pgd@8 / a b: gone: row says None, recomputed 0.5",
    ]
    assert str(Mismatch("splits.json", "is gone")) == "splits.json: is gone"
    (told,) = differing(row, {"l2": Interval(2.0, 3.0)})
    assert told.what == "row says 1.5, recomputed from 2.0 to 3.0"
