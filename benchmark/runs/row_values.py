"""Whether rows hold what every run writes, so that whoever computes with them need not ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.runs.row_schema import PREDICTIONS

_COUNTS = ("height", "width", "valid_pixels", "steps", "forwards", "backwards", "passes", "zero_gradients")
_TRUTHS = ("targeted", "success", "success8")
_TABLES = tuple(f"{prediction}_confusion_truth" for prediction in PREDICTIONS)
_LONGEST = 4096  # characters of a text
_MOST_CLASSES, _LARGEST_SIDE, _LARGEST_COUNT = 255, 2**16, 2**53


def wrong_value(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The first value that no run writes, as a clause that names its row; None if there is none."""
    for row in rows:
        if reason := _wrong(row):
            return f"its row {str(row.get('attack'))[:100]} / {str(row.get('id'))[:100]} {reason}"
    return None


def _wrong(row: Mapping[str, Any]) -> str | None:
    for name, value in row.items():
        if isinstance(value, str) and len(value) > _LONGEST:
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
    for name in _TABLES:
        table = row[name]
        if not (isinstance(table, list) and len(table) == classes**2 and all(map(_is_count, table))):
            return f"has no {name} of {classes} classes"
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST_COUNT
