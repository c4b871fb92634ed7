"""What the checks of columns share that cannot be recomputed."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Relation(NamedTuple):
    """Whether a relation of a column `holds`, and `what` it demands."""

    column: str
    holds: bool
    what: str


class Trace(NamedTuple):
    """The trace of a row.

    Attributes:
        last: its last step.
        l2, linf: norms at the kept step; None if the trace leaves that step out.
        points: the number of its steps.
        refused: how many steps, from the first one on and without a gap, the judge refuses; 0 where a trace does not
            have what the judge judges.
    """

    last: int
    l2: float | None
    linf: float | None
    points: int = 1
    refused: int = 0


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row, with NaN for null, so that no relation about a null holds."""
    return {name: math.nan if value is None else value for name, value in row.items()}
