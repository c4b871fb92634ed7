"""Whether rows hold what every run writes, so that whoever computes with them need not ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.label_subsets import MOST_LABELS, label_count
from benchmark.runs.limited_text import parse_json
from benchmark.runs.row_schema import CLASS_SCORES, COLD_COLUMNS, PREDICTIONS

_COUNTS = ("height", "width", "valid_pixels", "steps", "forwards", "backwards", "passes", "zero_gradients")
_TRUTHS = ("targeted", "success", "success8")
_TABLES = tuple(f"{prediction}_confusion_truth" for prediction in PREDICTIONS)
_CLASS_SCORES = tuple(f"{prediction}_{score}" for prediction in PREDICTIONS for score in CLASS_SCORES)
_LONGEST = 4096  # characters of a text
_LONGEST_NAMES = 2**16  # characters of the names of all classes
_MOST_CLASSES, _LARGEST_SIDE, _LARGEST_COUNT = 255, 2**16, 2**53


def wrong_value(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The first value that no run writes, as a clause that names its row; None if there is none."""
    for row in rows:
        if reason := _wrong(row):
            return f"its row {str(row.get('attack'))[:100]} / {str(row.get('id'))[:100]} {reason}"
    return None


def _wrong(row: Mapping[str, Any]) -> str | None:
    for name, value in row.items():
        if isinstance(value, str) and len(value) > (_LONGEST if name != "class_names" else _LONGEST_NAMES):
            return f"has a {name} of {len(value)} characters"
    for name in _COUNTS:
        if not _is_count(row[name]):
            return f"says that its {name} is {row[name]}"
    for name in _TRUTHS:
        if not isinstance(row[name], bool):
            return f"does not say whether it is {name}"
    classes = row["classes"]
    if max(row["height"], row["width"]) > _LARGEST_SIDE or not (_is_count(classes) and 2 <= classes <= _MOST_CLASSES):
        return f"says that an image has {row['height']} x {row['width']} pixels and {classes} classes"
    if row["background"] is not None and not 0 <= row["background"] < classes:
        return f"says that its background is class {row['background']} of {classes}"
    if reason := _wrong_classes(row) or _wrong_start(row):
        return reason
    for name in _TABLES:
        table = row[name]
        if not (isinstance(table, list) and len(table) == classes**2 and all(map(_is_count, table))):
            return f"has no {name} of {classes} classes"
    return None


def _wrong_classes(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the names and scores of classes, or labels that overlap; None if a row has none."""
    names, classes = row.get("class_names"), row["classes"]
    if row.get("overlapping") and classes not in (2**labels for labels in range(1, MOST_LABELS + 1)):
        return f"says that its {classes} classes are subsets of labels"
    if names is None:
        return None
    count = label_count(classes) if row.get("overlapping") else classes
    try:
        listed = parse_json(names)
    except ValueError:
        listed = None
    if not (isinstance(listed, list) and len(listed) == count and all(isinstance(name, str) for name in listed)):
        return f"does not name its {count} classes"
    for name in _CLASS_SCORES:
        scores = row.get(name)
        if not (isinstance(scores, list) and len(scores) == count and all(map(_is_share, scores))):
            return f"has no {name} of {count} classes"
    pixels = row.get("target_class_pixels")
    if not (isinstance(pixels, list) and len(pixels) == count and all(map(_is_count, pixels))):
        return f"has no target_class_pixels of {count} classes"
    return None


def _wrong_start(row: Mapping[str, Any]) -> str | None:
    """What is wrong with a warm start's cost, or with the cold start beside it; None if a row has neither."""
    if not row.get("start_from"):
        return None
    if not _is_count(row["passes_saved"]):
        return f"says that its passes_saved is {row['passes_saved']}"
    steps, passes, success, *scores = (row.get(name) for name in COLD_COLUMNS)
    if passes is None:
        return None
    if not (_is_count(steps) and _is_count(passes) and isinstance(success, bool)) or None in scores:
        return "does not say how its cold start ended"
    return None if all(map(_is_share, scores)) else f"says that its cold start ended at {scores}"


def _is_share(value: Any) -> bool:
    return value is None or (isinstance(value, float) and 0 <= value <= 1)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST_COUNT
