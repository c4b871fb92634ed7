"""Tables over budgets: each family's success and score at each of its budgets, and the worst case over attacks."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.grids import Grid, number

Summaries = Sequence[Mapping[str, Any]]

_NORMS = {"1": "L1", "2": "L2", "inf": "L∞"}


def sweeps(summaries: Summaries) -> dict[str, list[Mapping[str, Any]]]:
    """Attacks by family, by rising budget."""
    families: dict[str, list[Mapping[str, Any]]] = {}
    for one in summaries:
        families.setdefault(one["family"] or one["attack"], []).append(one)
    return {name: sorted(family, key=lambda one: one["eps"] or 0) for name, family in families.items()}


def budget_grids(summaries: Summaries) -> list[Grid]:
    """For each norm in which budgets were swept: success by family and budget, and the mean IoU.

    Families by their mean success over the budgets, then by name.
    """
    swept = {name: family for name, family in sweeps(summaries).items() if len(family) > 1}
    grids = []
    for norm in sorted({str(family[0]["norm"]) for family in swept.values()}):
        chosen = {name: family for name, family in swept.items() if str(family[0]["norm"]) == norm}
        rates = {name: _by_budget(family, "success8_rate") for name, family in chosen.items()}
        order = sorted(chosen, key=lambda name: (-sum(rates[name].values()) / max(1, len(rates[name])), name))
        by = f"by budget {_NORMS.get(norm, 'eps')}{' · 255' if norm == 'inf' else ''}"
        scale = 255 if norm == "inf" else 1
        grids.append(_grid(f"Success in %, {by}", {name: rates[name] for name in order}, scale, 100, 1))
        for targeted, reference in ((True, "target"), (False, "truth")):
            aimed = [name for name in order if bool(chosen[name][0]["targeted"]) == targeted]
            scores = {name: _by_budget(chosen[name], f"adv8_iou_{reference}") for name in aimed}
            if scores:
                grids.append(_grid(f"Mean IoU to {reference}, {by}", scores, scale, 1, 3))
    return grids


def worst_case_grid(worst_case: Summaries) -> Grid:
    """One row per set of attacks; the data-set mean IoU of the worst case lies between its bounds."""
    rows = []
    for one in worst_case:
        bounds, single = one["adv8_miou_truth"], one["best_single"]
        rows.append(
            (
                _budget(one),
                str(len(one["attacks"])),
                number(one["success8_rate"], 100, 1),
                number(one["adv8_pixel_acc_truth"]["mean"], 1, 3),
                number(one["adv8_iou_truth"]["mean"], 1, 3),
                f"{number(bounds['lower'], 1, 3)} to {number(bounds['upper'], 1, 3)}",
                f"{number(single['adv8_miou_truth'], 1, 3)} {single['family']}",
            )
        )
    header = (
        "budget",
        "set\nof",
        "success\n%",
        "pixel\naccuracy",
        "image\nIoU",
        "data-set\nmIoU between",
        "mIoU of the\nbest attack",
    )
    notes = ["Budgets in L∞ are in 1/255."] if any(one["norm"] == "inf" for one in worst_case) else []
    return Grid("Worst case over untargeted attacks, to the truth", header, rows, notes)


def _by_budget(family: Summaries, name: str) -> dict[float, float]:
    """Known values by budget; of a described column its mean."""
    values = {one["eps"] or 0.0: one[name]["mean"] if isinstance(one[name], Mapping) else one[name] for one in family}
    return {eps: value for eps, value in values.items() if value is not None}


def _grid(
    title: str, families: Mapping[str, Mapping[float, float]], scale: float, factor: float, decimals: int
) -> Grid:
    budgets = sorted({eps for values in families.values() for eps in values})
    rows = [
        [name, *(number(values.get(eps), factor, decimals) for eps in budgets)] for name, values in families.items()
    ]
    return Grid(title, ["attack", *(f"{eps * scale:.4g}" for eps in budgets)], rows)


def _budget(one: Mapping[str, Any]) -> str:
    norm = _NORMS.get(str(one["norm"]), "any norm")
    if one["eps"] is None:
        return f"{norm} free"
    return f"{norm} {one['eps'] * 255:.4g}" if one["norm"] == "inf" else f"{norm} {one['eps']:.4g}"
