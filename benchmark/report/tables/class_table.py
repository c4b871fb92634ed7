"""The table of IoUs of single classes, or of labels that overlap."""

from collections.abc import Mapping
from typing import Any

from benchmark.report.tables.table import TextTable, label, number
from benchmark.results.ranking import Summaries, ranked
from benchmark.results.truth_name import truth_name

_MOST = 24  # classes; the others stand in summary.json

_COLUMNS = ("clean_iou_truth", "adv8_iou_truth", "adv8_iou_target")


def class_grids(summaries: Summaries) -> list[TextTable]:
    """One table of the classes of all attacks; none where the foreground is one class, whose IoU other tables have."""
    listed = [one for members in ranked(summaries).values() for one in members if _has_several(one)]
    if not listed:
        return []
    rows, erased = [], any(scores["erased"] for one in listed for scores in one["classes"].values())
    for one in listed:
        for name, scores in list(one["classes"].items())[:_MOST]:
            target = "-" if one["targeted"] is False else number(scores[_COLUMNS[2]], 1, 3)
            cells = (number(scores[column], 1, 3) for column in _COLUMNS[:2])
            left = [number(scores["adv8_area_left"], 100, 1)] if erased else []
            rows.append((label(one), name, str(scores["images"]), *cells, target, *left))
    truth = truth_name(listed)
    header = ["attack", "class", "images", f"clean, IoU\nto {truth}", f"IoU to\n{truth}", "IoU to\ntarget"]
    header += ["area left,\nerased, %"] * erased
    notes = ["IoU is the mean over the images in which the class occurs, after an attack of the 8-bit file."]
    if erased:
        notes.append("Where the target erases the class, IoU to it means nothing: what counts is how much is left.")
    if len(listed[0]["classes"]) > _MOST:
        notes.append(f"The first {_MOST} of {len(listed[0]['classes'])} classes; all of them stand in summary.json.")
    title = "By label, which may overlap" if listed[0]["overlapping"] else "By class"
    return [TextTable(title, header, rows, notes)]


def _has_several(summary: Mapping[str, Any]) -> bool:
    return len(summary.get("classes", {})) > (1 if summary.get("overlapping") else 2)
