"""Columns of rows as arrays, and the cost of each success, where failures are infinite."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NORM_COLUMNS = {"1": "l1", "2": "l2", "inf": "linf"}
"""The name of a norm in a rule -> the column that measures it."""

Rows = Sequence[Mapping[str, Any]]


def column(rows: Rows, name: str) -> NDArray[np.float64]:
    """A column of numbers (N,), NaN for null or where a row has no such column; `l0_share` is l0 / (height·width)."""
    if name == "l0_share":
        return column(rows, "l0") / (column(rows, "height") * column(rows, "width"))
    values = (row.get(name) for row in rows)
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def flag(rows: Rows, name: str) -> NDArray[np.bool_]:
    """A column of booleans (N,); null is false."""
    return np.array([bool(row[name]) for row in rows], dtype=np.bool_)


def shared(rows: Rows, name: str) -> Any:
    """The value that all rows share in a column, None if they differ."""
    values = {row[name] for row in rows}
    return values.pop() if len(values) == 1 else None


def joined(rows: Rows, name: str) -> Any:
    """The value of a column, or its different values in a text: images of one run may be of several splits."""
    values = list(dict.fromkeys(row[name] for row in rows))
    return values[0] if len(values) == 1 else ", ".join(map(str, values))


def groups_of(rows: Rows) -> list[object]:
    """The group of each row, which a bootstrap resamples as a whole: its patient or sequence, else the image alone."""
    return [("group", row["group"]) if row["group"] else ("id", row["id"]) for row in rows]


def attacked_rows(rows: Rows) -> list[Mapping[str, Any]]:
    """The rows whose clean image did not satisfy the judge already."""
    return [row for row in rows if not row["success_clean"]]


def norm_column(rows: Rows) -> str:
    """The column of the norm that the attack minimises or is bounded in; l2 if the rows name no norm."""
    return NORM_COLUMNS.get(str(rows[0].get("norm")), "l2") if rows else "l2"


def cost_of_success(rows: Rows, name: str) -> NDArray[np.float64]:
    """The cost of each image's success (N,), infinite where the 8-bit file failed.

    For "l1", "l2" and "linf" the cost is the norm of the file, so that it can be computed from the saved bytes. For
    "success_passes" it is the passes to the first success; where no success was confirmed during the attack, all
    passes of the image.
    """
    if name in NORM_COLUMNS.values():
        values = column(rows, f"adv8_{name}")
    else:
        values = column(rows, name)
        values = np.where(np.isnan(values), column(rows, "passes"), values)
    return np.where(flag(rows, "success8"), values, math.inf)
