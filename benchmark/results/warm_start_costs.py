"""What warm starts cost and saved, and whether the images that were also started cold came out better."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.results.column_arrays import Rows, column, flag, shared

CLOSE_ENOUGH = 0.01
"""Mean IoU by which a cold start may end nearer its aim than a warm one."""


def warm_start(rows: Rows) -> dict[str, Any] | None:
    """The cost of one attack's warm starts; None: its images did not start from another attack's results.

    Returns:
        `start_from`, the attack they started from; `at_floor`, how many could not be improved; `passes` spent and
        `passes_saved`, sums over the images, the latter against cold starts that take all of their steps; and `cold`,
        None if no image was also started cold: of those `images` the sums of `passes` of the cold and `warm_passes` of
        the warm starts, the mean IoU of the 8-bit images after each, `iou` and `warm_iou`, and `ahead`, by how much
        the cold starts ended nearer their aim: a lower IoU to the truth, or if targeted a higher one to the target. An
        attack that ends at a success has no aim beyond it: where both starts succeed, neither is ahead.
    """
    start = shared(rows, "start_from")
    if not start:
        return None
    return {
        "start_from": start,
        "at_floor": int(flag(rows, "at_floor").sum()),
        "passes": int(np.nansum(column(rows, "passes"))),
        "passes_saved": int(np.nansum(column(rows, "passes_saved"))),
        "cold": _cold([row for row in rows if row["cold_start_passes"] is not None]),
    }


def _cold(rows: Rows) -> dict[str, Any] | None:
    if not rows:
        return None
    score, sign = ("iou_target", 1) if rows[0]["targeted"] else ("iou_truth", -1)
    warm, cold = column(rows, f"adv8_{score}"), column(rows, f"cold_start_{score}")
    both = flag(rows, "stop") & flag(rows, "success8") & flag(rows, "cold_start_success8")
    return {
        "images": len(rows),
        "passes": int(column(rows, "cold_start_passes").sum()),
        "warm_passes": int(column(rows, "passes").sum()),
        "iou": float(cold.mean()),
        "warm_iou": float(warm.mean()),
        "ahead": float(np.where(both, 0, sign * (cold - warm)).mean()),
    }


def grid_costs(summaries: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Family -> passes at all its budgets as a share of those of independent runs that take all of their steps.

    Only of families with warm starts. The passes of images that were also started cold, to compare, are not counted.
    """
    spent: dict[str, float] = {}
    saved: dict[str, float] = {}
    for one in summaries:
        family = str(one["family"] or one["attack"])
        spent[family] = spent.get(family, 0) + one["passes"]["mean"] * one["images"]
        if one.get("warm_start"):
            saved[family] = saved.get(family, 0) + one["warm_start"]["passes_saved"]
    return {family: spent[family] / (spent[family] + less) for family, less in saved.items()}
