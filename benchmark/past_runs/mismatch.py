"""What is not as a run recorded it: one line each, the same for who stops at the first and who lists them all."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_RESTORE = "put back rows, configuration and data as the run had them"
_ROUNDING = 1e-9  # relative; sums in another order differ by less, what anybody would change by more


@dataclass(frozen=True)
class Mismatch:
    """One difference.

    Attributes:
        place: "attack / id" of a row, or a file of the run.
        what: of the place, such as a column, and how it differs.
        cure: for who cannot go on with it.
        column: of the row, or the entry of the file; empty: all of it.
    """

    place: str
    what: str
    cure: str = _RESTORE
    column: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.column}: {self.what}" if self.column else f"{self.place}: {self.what}"


@dataclass(frozen=True)
class Interval:
    """A value that cannot be told more closely: from `low` to `high`, of lists entry by entry."""

    low: Any
    high: Any

    def __repr__(self) -> str:
        return f"from {self.low!r} to {self.high!r}"


def row_place(row: Mapping[str, Any]) -> str:
    """How faults name a row."""
    return f"{row['attack']} / {row['id']}"


def differing(row: Mapping[str, Any], expected: Mapping[str, Any], how: str = "recomputed") -> Iterator[Mismatch]:
    """The columns of `expected` in which a row differs from it; `how` it was found."""
    for name, value in expected.items():
        said = row.get(name)
        if not same(said, value):
            yield Mismatch(row_place(row), f"row says {said!r}, {how} {value!r}", column=name)


def same(said: Any, found: Any) -> bool:
    """Whether two values are equal, numbers up to rounding (1e-9 relative); `found` may be a `Between`."""
    if isinstance(found, Interval):
        if isinstance(found.low, list):
            bounds = list(zip(found.low, found.high, strict=True))
            return (
                isinstance(said, list)
                and len(said) == len(bounds)
                and all(same(one, Interval(*bound)) for one, bound in zip(said, bounds, strict=True))
            )
        return same(said, found.low) or same(said, found.high) or (_number(said) and found.low <= said <= found.high)
    if isinstance(said, list) and isinstance(found, list):
        return len(said) == len(found) and all(same(one, other) for one, other in zip(said, found, strict=True))
    if not (_number(said) and _number(found)):
        return type(said) is type(found) and said == found
    if math.isnan(said) or math.isnan(found):
        return math.isnan(said) and math.isnan(found)
    return math.isclose(said, found, rel_tol=_ROUNDING, abs_tol=1e-12)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
