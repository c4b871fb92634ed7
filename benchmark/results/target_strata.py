"""What the rows' targets were: erased or not, drawn again, too close to what was there."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.results.columns import Rows, column, flag
from benchmark.results.strata import strata

TARGETS = ("present", "erased")


def by_target(rows: Rows) -> dict[str, dict[str, Any]]:
    """The strata of one attack's rows by whether the target shows a structure, where some do and some do not.

    An erased target is judged by what is left of the structure, and its IoU is 0 or 1: a mean over both kinds says
    little about either.
    """
    found = strata(rows, np.where(column(rows, "target_pixels") == 0, TARGETS[1], TARGETS[0]), TARGETS)
    return found if len(found) > 1 else {}


def target_counts(rows: Rows) -> dict[str, int]:
    """Images whose target had to be drawn again, was too close all the same, and shows no structure."""
    return {
        "targets_redrawn": int((column(rows, "target_draws") > 1).sum()),
        "targets_too_close": int(flag(rows, "target_too_close").sum()),
        "targets_erased": int((column(rows, "target_pixels") == 0).sum()),
    }


def target_note(summary: Mapping[str, Any]) -> str | None:
    """The counts of a targeted attack as a sentence; None if there is nothing to say."""
    by_overlap = str(summary["judge"]).startswith(("iou to target >=", "dice to target >="))
    names = {
        "targets_redrawn": "drawn again",
        "targets_too_close": "too close to truth or prediction all the same",
        "targets_erased": "erased" + by_overlap * " (success: at most 1 % of the structure left)",
    }
    said = [f"{summary[name]} {text}" for name, text in names.items() if summary[name]]
    return f"Targets: {', '.join(said)}." if said and summary["targeted"] is not False else None
