"""Tables of worst cases: one for sets of untargeted attacks, one for sets of targeted attacks."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.tables.table import TextTable, interval, number
from benchmark.results.budget_sweeps import NORM_NAMES

Summaries = Sequence[Mapping[str, Any]]

_SUCCESS = ("budget", "set\nof", "success\n%", "95 %\ninterval")


def worst_case_grids(worst_case: Summaries) -> list[TextTable]:
    """Tables with a row for each set of attacks; no table without a set."""
    untargeted = [one for one in worst_case if not one["targeted"]]
    targeted = [one for one in worst_case if one["targeted"]]
    return [*([_untargeted(untargeted)] if untargeted else []), *([_targeted(targeted)] if targeted else [])]


def _untargeted(sets: Summaries) -> TextTable:
    """The table of untargeted sets; the mean IoU of the data set has two bounds (see `worst_case`)."""
    header = (*_SUCCESS, *("pixel\naccuracy", "image\nIoU", "data-set\nmIoU between", "mIoU of the\nbest attack"))
    rows = [
        (
            *_success(one),
            number(one["adv8_pixel_acc_truth"]["mean"], 1, 3),
            number(one["adv8_iou_truth"]["mean"], 1, 3),
            " to ".join(number(one["adv8_miou_truth"][bound], 1, 3) for bound in ("lower", "upper")),
            f"{number(one['best_single']['adv8_miou_truth'], 1, 3)} {one['best_single']['family']}",
        )
        for one in sets
    ]
    return TextTable("Worst case over untargeted attacks, to the truth", header, rows, _notes(sets))


def _targeted(sets: Summaries) -> TextTable:
    rows = [
        (
            *_success(one),
            number(one["adv8_iou_target"]["mean"], 1, 3),
            interval(one["adv8_iou_target"]["ci95"], 1, 3),
            f"{number(one['best_single']['adv8_iou_target'], 1, 3)} {one['best_single']['family']}",
        )
        for one in sets
    ]
    header = (*_SUCCESS, "image\nIoU", "95 %\ninterval", "IoU of the\nbest attack")
    return TextTable("Worst case over targeted attacks, to the target", header, rows, _notes(sets))


def _success(one: Mapping[str, Any]) -> tuple[str, ...]:
    rate, bounds = number(one["success8_rate"], 100, 1), interval(one["success8_rate_ci95"], 100, 0)
    return _budget(one), str(len(one["attacks"])), rate, bounds


def _notes(sets: Summaries) -> list[str]:
    notes = ["For each image the attack that works best, on its 8-bit file; controls are left out."]
    in255 = any(one["norm"] == "inf" and one["eps"] is not None for one in sets)
    return [*notes, *(["Budgets in L∞ are in 1/255."] if in255 else [])]


def _budget(one: Mapping[str, Any]) -> str:
    norm = NORM_NAMES.get(str(one["norm"]), "any norm")
    if one["eps"] is None:
        return f"{norm} free"
    return f"{norm} {one['eps'] * 255:.5g}" if one["norm"] == "inf" else f"{norm} {one['eps']:.5g}"
