"""Results by kind of target, and counts of targets that were erased, drawn again or too close to the truth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.results.column_arrays import Rows, column, flag
from benchmark.results.erased_targets import count_judged_by_area, is_erased
from benchmark.results.strata import strata

TARGETS = ("present", "erased")


def by_target(rows: Rows) -> dict[str, dict[str, Any]]:
    """One attack's results for targets that show a structure and for erased ones; empty if all are of one kind.

    The judge of an erased target looks at what is left of the structure, and its IoU is 0 or 1, so that a mean over
    both kinds describes neither.
    """
    by_kind = strata(rows, np.array([TARGETS[is_erased(row)] for row in rows]), TARGETS)
    return by_kind if len(by_kind) > 1 else {}


def target_counts(rows: Rows) -> dict[str, int]:
    """How many targets were drawn again, stayed too close to truth or prediction, are erased, are judged by area."""
    return {
        "targets_redrawn": int((column(rows, "target_draws") > 1).sum()),
        "targets_too_close": int(flag(rows, "target_too_close").sum()),
        "targets_erased": sum(map(is_erased, rows)),
        "judged_by_area": count_judged_by_area(rows),
    }


def target_note(summary: Mapping[str, Any]) -> str | None:
    """The counts of a targeted attack as a sentence; None if all are zero."""
    names = {
        "targets_redrawn": "drawn again",
        "targets_too_close": "too close to truth or prediction all the same",
        "targets_erased": "erased",
    }
    counted = [f"{summary[name]} {text}" for name, text in names.items() if summary[name]]
    return f"Targets: {', '.join(counted)}." if counted and summary["targeted"] is not False else None
