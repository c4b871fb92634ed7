"""Results by kind of target, and counts of targets that were erased, drawn again or too close to the truth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.results.column_arrays import Rows, column, flag
from benchmark.results.strata import strata

TARGETS = ("present", "erased")


def by_target(rows: Rows) -> dict[str, dict[str, Any]]:
    """One attack's results for targets that show a structure and for erased ones; empty if all are of one kind.

    The judge of an erased target looks at what is left of the structure, and its IoU is 0 or 1, so that a mean over
    both kinds describes neither.
    """
    by_kind = strata(rows, np.where(column(rows, "target_pixels") == 0, TARGETS[1], TARGETS[0]), TARGETS)
    return by_kind if len(by_kind) > 1 else {}


def target_counts(rows: Rows) -> dict[str, int]:
    """How many targets were drawn again, stayed too close to truth or prediction, or show no structure."""
    return {
        "targets_redrawn": int((column(rows, "target_draws") > 1).sum()),
        "targets_too_close": int(flag(rows, "target_too_close").sum()),
        "targets_erased": int((column(rows, "target_pixels") == 0).sum()),
    }


def target_note(summary: Mapping[str, Any]) -> str | None:
    """The counts of a targeted attack as a sentence; None if all are zero."""
    by_overlap = str(summary["judge"]).startswith(("iou to target >=", "dice to target >="))
    names = {
        "targets_redrawn": "drawn again",
        "targets_too_close": "too close to truth or prediction all the same",
        "targets_erased": "erased" + by_overlap * " (success: at most 1 % of the structure left)",
    }
    counted = [f"{summary[name]} {text}" for name, text in names.items() if summary[name]]
    return f"Targets: {', '.join(counted)}." if counted and summary["targeted"] is not False else None
