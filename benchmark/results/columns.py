"""Rows to arrays: the columns of a table, and what a success is worth where failures count as infinite."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

NORM_COLUMNS = {"1": "l1", "2": "l2", "inf": "linf"}
"""What a rule calls its norm -> the column that measures it."""

Rows = Sequence[Mapping[str, Any]]


def column(rows: Rows, name: str) -> NDArray[np.float64]:
    """A column of numbers (N,), NaN for null or where a row has no such column; `l0_share` is l0 / (height·width)."""
    if name == "l0_share":
        return column(rows, "l0") / (column(rows, "height") * column(rows, "width"))
    values = (row.get(name) for row in rows)
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def flag(rows: Rows, name: str) -> NDArray[np.bool_]:
    """A column of truths (N,), null being false."""
    return np.array([bool(row[name]) for row in rows], dtype=np.bool_)


def shared(rows: Rows, name: str) -> Any:
    """The value that all rows have in a column, else None."""
    values = {row[name] for row in rows}
    return values.pop() if len(values) == 1 else None


def groups_of(rows: Rows) -> list[object]:
    """What is resampled together: patients or sequences; images without a group are groups of their own."""
    return [("group", row["group"]) if row["group"] else ("id", row["id"]) for row in rows]


def attacked_rows(rows: Rows) -> list[Mapping[str, Any]]:
    """Rows of images that the clean image did not satisfy already."""
    return [row for row in rows if not row["success_clean"]]


def norm_column(rows: Rows) -> str:
    """The column of the norm that an attack's rows are about; l2 where there is none."""
    return NORM_COLUMNS.get(str(rows[0].get("norm")), "l2") if rows else "l2"


def cost_of_success(rows: Rows, name: str) -> NDArray[np.float64]:
    """What each image's success took (N,): infinite where the 8-bit file failed.

    Of "l1", "l2" and "linf" the file's norm, so that saved bytes are enough to compute it again; rows of older runs,
    which lack one, give that of the float32 result. Of "success_passes" the passes; a success that was not confirmed
    while the image was attacked is known when its last pass is done.
    """
    values, instead = column(rows, name), "passes"
    if name in NORM_COLUMNS.values():
        values, instead = column(rows, f"adv8_{name}"), name
    values = np.where(np.isnan(values), column(rows, instead), values)
    return np.where(flag(rows, "success8"), values, math.inf)
