"""What environment.json and cards hold of the check of a victim, and whether a file keeps to it."""

import math
import re
from typing import Any

_NAME = re.compile(r"[a-z_]{1,64}")
_LONGEST = 4000  # characters of a text
_MOST = 100  # findings, images and classes of which a check says something


def is_victim_check(value: Any) -> bool:
    """Whether a value is what a check writes, without findings or with some; a stranger may have written it.

    Entries that are not known here are data of whoever wrote them; nobody reads them.
    """
    if not isinstance(value, dict):
        return False
    findings, allowed = value.get("findings"), value.get("allowed", [])
    return (
        isinstance(findings, list)
        and len(findings) <= _MOST
        and all(map(_is_finding, findings))
        and isinstance(allowed, list)
        and all(isinstance(name, str) for name in allowed)
        and all(
            _is_number(value.get(name)) for name in ("iou", "validation_iou", "images", "batch", "passes", "seconds")
        )
    )


def _is_finding(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and _NAME.fullmatch(value["name"]) is not None
        and isinstance(value.get("refused"), bool)
        and all(isinstance(value.get(text), str) and len(value[text]) <= _LONGEST for text in ("what", "cure"))
    )


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value))
