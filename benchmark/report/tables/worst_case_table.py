"""Tables of worst cases: one for sets of untargeted attacks, one for sets of targeted attacks."""

from collections.abc import Mapping
from typing import Any

from benchmark.report.tables.table import TextTable, interval, number, success
from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.ranking import Summaries
from benchmark.results.truth_name import data_notes, truth_name

_SUCCESS = ("budget", "set\nof", "success\n%", "95 %\ninterval")
_TABLES = {
    False: (
        "untargeted attacks, to the truth",
        ("pixel\naccuracy", "image\nIoU", "data-set\nmIoU between", "mIoU of the\nbest attack"),
    ),
    True: ("targeted attacks, to the target", ("image\nIoU", "95 %\ninterval", "IoU of the\nbest attack")),
}


def worst_case_grids(worst_case: Summaries) -> list[TextTable]:
    """A table with a row for each set of untargeted attacks and one for targeted attacks; no table without a set.

    The mean IoU of the data set, which untargeted sets have, is given by its two bounds (see `results.worst_case`).
    """
    grids = []
    for targeted, (reference, header) in _TABLES.items():
        sets = [one for one in worst_case if one["targeted"] == targeted]
        notes = ["For each image the attack that works best, on its 8-bit file; controls are left out."]
        if any(one["norm"] == "inf" and one["eps"] is not None for one in sets):
            notes.append("Budgets in L∞ are in 1/255.")
        rows = [(_budget(one), str(len(one["attacks"])), *success(one), *_scores(one)) for one in sets]
        if rows:
            reference = reference.replace("truth", truth_name(sets))
            notes += data_notes(sets)
            grids.append(TextTable(f"Worst case over {reference}", (*_SUCCESS, *header), rows, notes))
    return grids


def _scores(one: Mapping[str, Any]) -> tuple[str, ...]:
    best = one["best_single"]
    if one["targeted"]:
        mean, bounds = one["adv8_iou_target"]["mean"], one["adv8_iou_target"]["ci95"]
        return number(mean, 1, 3), interval(bounds, 1, 3), f"{number(best['adv8_iou_target'], 1, 3)} {best['family']}"
    return (
        *(number(one[name]["mean"], 1, 3) for name in ("adv8_pixel_acc_truth", "adv8_iou_truth")),
        interval([one["adv8_miou_truth"][bound] for bound in ("lower", "upper")], 1, 3),
        f"{number(best['adv8_miou_truth'], 1, 3)} {best['family']}",
    )


def _budget(one: Mapping[str, Any]) -> str:
    norm = NORM_NAMES.get(str(one["norm"]), "any norm")
    if one["eps"] is None:
        return f"{norm} free"
    return f"{norm} {one['eps'] * 255:.5g}" if one["norm"] == "inf" else f"{norm} {one['eps']:.5g}"
