"""Several attacks in one table, by success and then by norm; computed from the summaries of `report.aggregate`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.budgets import budget_grids, sweeps, worst_case_grid
from benchmark.report.columns import NORM_COLUMNS
from benchmark.report.grids import Grid, interval, number

Summaries = Sequence[Mapping[str, Any]]

_CONTROL = " †"


def comparison(summaries: Summaries, worst_case: Summaries) -> list[Grid]:
    """All that a run of several attacks has to say: attacks, budgets, input transforms, worst cases."""
    return [
        attack_grid(summaries),
        *budget_grids(summaries),
        *transform_grids(summaries),
        *([worst_case_grid(worst_case)] if worst_case else []),
    ]


def attack_grid(summaries: Summaries) -> Grid:
    """One row per attack, the most successful first, then by the smaller median norm, then by name.

    The norm that ranks is the attacks' own where they share one, else L2. A sweep is there with its largest budget.
    """
    shown = ranked(summaries)
    references = ["truth"] if _untargeted(shown) else ["target", "truth"]
    header = [
        *("attack", "success\n%", "95 %\ninterval", "L2\nmedian", "L∞ · 255\nmedian", "passes\nmedian"),
        *(f"IoU to\n{reference}" for reference in references),
    ]
    rows = [
        [
            _label(one),
            number(one["success8_rate"], 100, 1),
            interval(one["success8_rate_ci95"], 100, 0),
            _median(one, "l2", 1, 3),
            _median(one, "linf", 255, 2),
            number(one["passes"]["median"], 1, 0),
            *(number(one[f"adv8_iou_{reference}"]["mean"], 1, 3) for reference in references),
        ]
        for one in shown
    ]
    return Grid(_title(shown), header, rows, _notes(summaries, shown))


def transform_grids(summaries: Summaries) -> list[Grid]:
    """What is left of the attacks after input transforms that none of them knew of, by what the attacks aim at."""
    grids = []
    for targeted, reference in ((True, "target"), (False, "truth")):
        shown = [one for one in ranked(summaries) if bool(one["targeted"]) == targeted and "input_transforms" in one]
        names = sorted({name for one in shown for name in one["input_transforms"]} - {"adaptive"})
        if names:
            score = f"iou_{reference}"
            rows = [[_label(one), *_after(one, names, f"adv8_{score}", score)] for one in shown]
            if not targeted:
                rows.insert(0, ["clean images", *_after(shown[0], names, f"clean_{score}", f"clean_{score}")])
            note = "The attacks did not know of the transforms: no measure of a defence against one that does."
            grids.append(
                Grid(f"Mean IoU to {reference} after input transforms", ("attack", "none", *names), rows, [note])
            )
    return grids


def ranked(summaries: Summaries) -> list[Mapping[str, Any]]:
    """In the order of `attack_grid`; of each sweep the attack with the largest budget."""
    swept = [family for family in sweeps(summaries).values() if len(family) > 1]
    smaller = {one["attack"] for family in swept for one in family[:-1]}
    shown = [one for one in summaries if one["attack"] not in smaller]
    norm = _ranking_norm(shown)

    def rank(one: Mapping[str, Any]) -> tuple[float, float, str]:
        median = one[norm]["median_all8"]
        return -(one["success8_rate"] or 0), math.inf if median is None else median, one["attack"]

    return sorted(shown, key=rank)


def _untargeted(shown: Summaries) -> bool:
    return all(one["targeted"] is False for one in shown)


def _ranking_norm(shown: Summaries) -> str:
    norms = {one["norm"] for one in shown if one["equal_norm"] is None}
    return NORM_COLUMNS.get(str(norms.pop()), "l2") if len(norms) == 1 else "l2"


def _after(one: Mapping[str, Any], names: Sequence[str], without: str, score: str) -> list[str]:
    means = [one["input_transforms"].get(name, {}).get(score, {}).get("mean") for name in names]
    return [number(mean, 1, 3) for mean in (one[without]["mean"], *means)]


def _label(one: Mapping[str, Any]) -> str:
    return one["attack"] + (_CONTROL if one["equal_norm"] else "")


def _median(one: Mapping[str, Any], norm: str, factor: float, decimals: int) -> str:
    return number(one[norm]["median_all8"], factor, decimals, "inf" if one["attacked"] else "-")


def _title(shown: Summaries) -> str:
    images = sorted({one["images"] for one in shown})
    counted = f"{images[0]} to {images[-1]} images" if len(images) > 1 else f"{images[0]} image{'s' * (images[0] != 1)}"
    parts = [f"{len(shown)} attacks", counted]
    for name in ("victim", "data", "split", *([] if _untargeted(shown) else ["target"])):
        values = ", ".join(dict.fromkeys(one[name] for one in shown if one[name]))
        parts += [f"{name} {values}"] if values else []
    return " · ".join(parts)


def _notes(summaries: Summaries, shown: Summaries) -> list[str]:
    judges = ", ".join(dict.fromkeys(one["judge"] for one in summaries if one["judge"]))
    satisfied = max(one["already_satisfied"] for one in summaries)
    rank = {"l1": "L1", "l2": "L2", "linf": "L∞"}[_ranking_norm(shown)]
    notes = [
        f"Success is {judges or 'what the run judged'} for the 8-bit file; already satisfied, left out: {satisfied}.",
        f"Ranked by success, then by {rank}. Norms are medians, failures infinite.",
        "IoU is the mean over all images, of the 8-bit file.",
    ]
    if len(shown) < len(summaries):
        notes.append("Of attacks with several budgets, the largest; the others are below.")
    copied = sorted({one["equal_norm"] for one in shown if one["equal_norm"]})
    if copied:
        notes.append(f"{_CONTROL.strip()} A control, with the norm of {', '.join(copied)} image by image.")
    return notes
