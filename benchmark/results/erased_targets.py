"""Erased targets, which a judge of overlap judges by what is left of the structure: see `criterion.Criterion`."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.label_subsets import membership
from benchmark.results.column_arrays import Rows
from benchmark.runs.limited_text import parse_json

MOST_LEFT = 1
"""`criterion.RESIDUAL` in per cent; importing that takes seconds, because it imports torch."""

_BY_OVERLAP = re.compile(r"(?:iou|dice)(?: of (?P<one>.+))? to target >= \S+")
_KIND = re.compile(r"erased\b")


def is_erased(row: Mapping[str, Any]) -> bool:
    """Whether the target shows no structure, or not the one class or label that is erased or judged."""
    return bool(row["target_pixels"] == 0 or _judged_pixels(row) == 0 or _KIND.match(row["target"] or ""))


def is_judged_by_area(row: Mapping[str, Any]) -> bool:
    """Whether success asks for what is left of the structure, although the judge names an overlap."""
    by_overlap = _BY_OVERLAP.fullmatch(row["judge"] or "")
    return bool(by_overlap and row["targeted"] is not False and _judged_pixels(row) == 0)


def class_areas(row: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Of each class, or label that overlaps others, the pixels in the truth and in the 8-bit file's prediction."""
    counts = np.array(row["adv8_confusion_truth"], dtype=np.int64).reshape(row["classes"], row["classes"])
    areas = np.stack([counts.sum(1), counts.sum(0)], axis=1)
    if row["overlapping"]:
        areas = np.array(membership(row["classes"])).T @ areas
    return [(int(shown), int(left)) for shown, left in areas]


def left_text(row: Mapping[str, Any]) -> str | None:
    """What the 8-bit file leaves of an erased structure, for a caption; None if something else is judged."""
    if not is_judged_by_area(row):
        return None
    place, areas, classes = judged_class(row), class_areas(row), row["classes"]
    if place is not None:
        (shown, left), what = areas[place], _judged_name(row) or ""
    else:
        counts = np.array(row["adv8_confusion_truth"]).reshape(classes, classes)
        background = 0 if row["overlapping"] else row["background"]
        total, what = counts.sum(), "the structure"
        shown, left = (int(total - counts.sum(axis)[background]) for axis in (1, 0))
    if not shown:
        return f"{left} pixels of {what} left, where none is"
    return f"{100 * left / shown:.1f} % of {what} left (at most {MOST_LEFT:g})"


def judge_text(summary: Mapping[str, Any]) -> str:
    """The judge of a summary, with the rule by which it judges erased targets if there are any."""
    judge = str(summary["judge"] or "the judge of the run")
    if not summary.get("judged_by_area"):
        return judge
    found = _BY_OVERLAP.fullmatch(judge)
    what = (found and found["one"]) or "structure"
    return f"{judge}; of an erased {what}, at most {MOST_LEFT:g} % of its area left"


def count_judged_by_area(rows: Rows) -> int:
    """How many rows are judged by what is left of the structure."""
    return sum(map(is_judged_by_area, rows))


def judged_class(row: Mapping[str, Any]) -> int | None:
    """The number of the one class or label that the judge names; None: it judges the mean, or something unknown."""
    one = _judged_name(row)
    names = parse_json(row.get("class_names") or "[]")
    return names.index(one) if one in names else None


def _judged_name(row: Mapping[str, Any]) -> str | None:
    found = _BY_OVERLAP.fullmatch(row["judge"] or "")
    return found["one"] if found else None


def _judged_pixels(row: Mapping[str, Any]) -> int | None:
    """The target's pixels of what is judged; None: unknown."""
    if _judged_name(row) is None:
        pixels: int | None = row["target_pixels"]
        return pixels
    place, pixels_of = judged_class(row), row.get("target_class_pixels")
    return pixels_of[place] if pixels_of and place is not None and place < len(pixels_of) else None
