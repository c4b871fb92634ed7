"""What warm starts cost and saved, and whether the images that were also started cold came out better."""

from collections.abc import Mapping, Sequence
from typing import Any

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
        the cold starts ended nearer their aim: a lower IoU to the truth, or if targeted a higher one to the target.
    """
    start = shared(rows, "start_from")
    if start is None:
        return None
    return {
        "start_from": start,
        "at_floor": int(flag(rows, "at_floor").sum()),
        "passes": int(column(rows, "passes").sum()),
        "passes_saved": int(column(rows, "passes_saved").sum()),
        "cold": _cold([row for row in rows if row["cold_start_passes"] is not None]),
    }


def _cold(rows: Rows) -> dict[str, Any] | None:
    if not rows:
        return None
    targeted = bool(rows[0]["targeted"])
    score = "iou_target" if targeted else "iou_truth"
    warm, cold = float(column(rows, f"adv8_{score}").mean()), float(column(rows, f"cold_start_{score}").mean())
    return {
        "images": len(rows),
        "passes": int(column(rows, "cold_start_passes").sum()),
        "warm_passes": int(column(rows, "passes").sum()),
        "iou": cold,
        "warm_iou": warm,
        "ahead": cold - warm if targeted else warm - cold,
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
