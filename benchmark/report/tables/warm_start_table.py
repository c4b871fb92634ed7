"""The table of warm starts: what they cost, and how the images fare that were also started cold."""

from collections.abc import Mapping
from typing import Any

from benchmark.report.tables.table import TextTable, number
from benchmark.results.ranking import Summaries
from benchmark.results.warm_start_costs import CLOSE_ENOUGH, grid_costs

_HEADER = (
    *("attack", "at the\nfloor", "passes", "passes\nsaved", "cold\nstarts", "their\npasses"),
    *("their IoU", "the same\nwarm", "cold ends\nahead by"),
)


def warm_start_grids(summaries: Summaries) -> list[TextTable]:
    """A row for each attack whose images start from the results of another one; no table without any."""
    warm = [one for one in summaries if one.get("warm_start")]
    if not warm:
        return []
    costs = ", ".join(f"{family} {share:.0%}" for family, share in grid_costs(summaries).items())
    notes = [
        "Each image starts from its float result at another budget or of another attack; at the floor it could not be "
        "improved.",
        "Passes saved are against starts as the rule says that take all of their steps.",
        f"Passes of all budgets as a share of those of independent runs, so counted, cold starts left out: {costs}.",
        "Cold starts are those of a seeded choice of images, with all passes, beside their warm starts; IoU is of the "
        "8-bit files, to the target or, untargeted, to the truth.",
    ]
    behind = [one["attack"] for one in warm if _ahead(one) > CLOSE_ENOUGH]
    if behind:
        notes.append(
            f"! Cold starts end ahead by more than {CLOSE_ENOUGH:g} in {', '.join(behind)}: warm starts understate "
            "them; give a larger warm_passes, or warm_start=false."
        )
    return [TextTable("Warm starts", _HEADER, [_row(one) for one in warm], notes)]


def _ahead(one: Mapping[str, Any]) -> float:
    cold = one["warm_start"]["cold"]
    return 0.0 if cold is None else float(cold["ahead"])


def _row(one: Mapping[str, Any]) -> list[str]:
    warm = one["warm_start"]
    cold = warm["cold"] or dict.fromkeys(("images", "passes", "iou", "warm_iou", "ahead"))
    return [
        str(one["attack"]),
        *(str(warm[name]) for name in ("at_floor", "passes", "passes_saved")),
        *(number(cold[name], 1, 0) for name in ("images", "passes")),
        *(number(cold[name], 1, 3) for name in ("iou", "warm_iou", "ahead")),
    ]
