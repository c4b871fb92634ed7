"""Curves of traces: the mean over images at each step, and one curve per image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmark.runs.tables import TRACES, group_rows

MAX_POINTS = 500


def of_attack(traces: pa.Table, attack: str) -> pa.Table:
    """The trace rows of one attack."""
    return traces.filter(pc.field("attack") == attack)


def per_image(traces: pa.Table) -> dict[str, list[Mapping[str, Any]]]:
    """Image id -> its trace rows in order of steps, of the traces of one attack."""
    return group_rows(sorted(traces.to_pylist(), key=lambda row: (row["id"], row["step"])), "id")


def mean_curve(traces: Mapping[str, Sequence[Mapping[str, Any]]], steps: Mapping[str, int]) -> list[dict[str, float]]:
    """The mean over images at each step that any image has kept, thinned evenly to `MAX_POINTS`.

    A finished image stays in the mean with its last value, so that the curve does not jump when an image finishes and
    ends at the result of all images. `active` is the number of images that are still attacked. The `traces` are those
    of `per_image`, `steps` the steps taken by image id.

    Returns:
        For each step {"step", "active", column: mean}, with the columns that any image has a value of by then.
    """
    if not traces:
        return []
    columns = [name for name in next(iter(traces.values()))[0] if name not in TRACES.key]
    kept = np.unique([row["step"] for rows in traces.values() for row in rows])
    if len(kept) > MAX_POINTS:
        kept = kept[np.unique(np.linspace(0, len(kept) - 1, MAX_POINTS).round().astype(int))]
    sums, counts = np.zeros((len(kept), len(columns))), np.zeros((len(kept), len(columns)))
    for rows in traces.values():
        values = np.array([[row[name] for name in columns] for row in rows], dtype=np.float64)  # None becomes NaN
        latest = np.searchsorted([row["step"] for row in rows], kept, side="right") - 1
        carried = np.where(latest[:, None] >= 0, values[latest], np.nan)
        sums += np.where(np.isfinite(carried), carried, 0)
        counts += np.isfinite(carried)
    ends = np.array([steps.get(image, rows[-1]["step"]) for image, rows in traces.items()])
    curve = []
    for index, step in enumerate(kept):
        point = {"step": int(step), "active": int((ends >= step).sum())}
        present = [column for column in range(len(columns)) if counts[index, column]]
        curve.append(point | {columns[c]: float(sums[index, c] / counts[index, c]) for c in present})
    return curve
