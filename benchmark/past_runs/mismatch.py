"""How a run differs from what it recorded: one line for each difference."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.errors import shown_line

_RESTORE = "put back rows, configuration and data as the run had them"
RESUME = "go on with the run (run.resume=FOLDER), which makes it again"
"""The cure of what is missing or damaged and can be made again."""

_ROUNDING = 1e-9  # relative; sums in another order differ by less, and a change that anybody makes by more


@dataclass(frozen=True)
class Mismatch:
    """One difference.

    Attributes:
        place: "attack / id" of a row, or a file of the run.
        what: how it differs.
        cure: what to do about it, for commands that stop at the first difference.
        column: of the row, or the entry of the file; empty: all of it.
        predicted: whether it is what the victim predicts that differs, and not a file or what follows from one.
    """

    place: str
    what: str
    cure: str = _RESTORE
    column: str = ""
    predicted: bool = False

    @property
    def is_made_again(self) -> bool:
        """Whether a run that goes on makes again what differs."""
        return self.cure == RESUME or self.column in ("adv8_sha256", "pictures_sha256")

    def __str__(self) -> str:
        return shown_line(f"{self.place}: {self.column}: {self.what}" if self.column else f"{self.place}: {self.what}")


@dataclass(frozen=True)
class Interval:
    """The bounds of a value that is known up to rounding; of lists, entry by entry.

    No lower bound: the value may be null, too, or anything up to the upper bound.
    """

    low: Any
    high: Any

    def __repr__(self) -> str:
        return f"from {self.low!r} to {self.high!r}"


def row_place(row: Mapping[str, Any]) -> str:
    """How a mismatch names a row."""
    return f"{row['attack']} / {row['id']}"


def differing(
    row: Mapping[str, Any], expected: Mapping[str, Any], how: str = "recomputed", *, predicted: bool = False
) -> Iterator[Mismatch]:
    """The columns of `expected` in which a row differs from it; `how` says where the expected value is from."""
    for name, value in expected.items():
        recorded = row.get(name)
        if not same(recorded, value):
            yield Mismatch(row_place(row), f"row says {recorded!r}, {how} {value!r}", column=name, predicted=predicted)


def same(recorded: Any, expected: Any) -> bool:
    """Whether two values are equal, numbers up to rounding (1e-9 relative), or `recorded` lies in an `Interval`."""
    if isinstance(expected, Interval):
        return _is_in(recorded, expected)
    if isinstance(recorded, list) and isinstance(expected, list):
        return len(recorded) == len(expected) and all(map(same, recorded, expected))
    if not (_is_number(recorded) and _is_number(expected)):
        return type(recorded) is type(expected) and recorded == expected
    if math.isnan(recorded) or math.isnan(expected):
        return math.isnan(recorded) and math.isnan(expected)
    return math.isclose(recorded, expected, rel_tol=_ROUNDING, abs_tol=1e-12)


def _is_in(value: Any, interval: Interval) -> bool:
    low, high = interval.low, interval.high
    if isinstance(low, list):
        intervals = map(Interval, low, high)
        return isinstance(value, list) and len(value) == len(low) and all(map(_is_in, value, intervals))
    if same(value, low) or same(value, high):
        return True
    return _is_number(value) and high is not None and (0 if low is None else low) <= value <= high


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
