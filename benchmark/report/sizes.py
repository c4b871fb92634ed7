"""Results by the size of the structure that is attacked."""

from typing import Any

import numpy as np

from benchmark.report.columns import Rows, attacked_rows, column, cost_of_success, flag, norm_column
from benchmark.report.counts import confusion_to_truth, foreground_share, kind_of
from benchmark.report.intervals import wilson

SMALL, LARGE = 0.05, 0.15
"""Shares of the valid pixels below and above which the truth's foreground is a small or a large structure: polyps and
nodules are mostly below the first, skin lesions and organs above the second."""

SIZES = ("none", "small", "medium", "large")


def by_size(rows: Rows) -> dict[str, dict[str, Any]]:
    """Success, norm and scores of one attack's rows by size of the truth's foreground, for the sizes that occur.

    "none" has no foreground at all. Empty where no class is background, because then there is no foreground.
    Norms are of the float32 result in the attack's own `norm`: `median_norm` of the files that succeed,
    `median_norm_all` of all attacked images with failures infinite.
    """
    classes, background = kind_of(rows, "by size")
    if background is None:
        return {}
    share = foreground_share(confusion_to_truth(rows, "clean", classes), background)
    size = np.select([share == 0, share < SMALL, share <= LARGE], SIZES[:3], SIZES[3])
    chosen = {name: [row for row, its in zip(rows, size, strict=True) if its == name] for name in SIZES}
    return {name: _stratum(members, norm_column(rows)) for name, members in chosen.items() if members}


def _stratum(rows: Rows, norm: str) -> dict[str, Any]:
    attacked = attacked_rows(rows)
    hits = int(flag(attacked, "success8").sum())
    norms = cost_of_success(attacked, norm)
    return {
        "images": len(rows),
        "attacked": len(attacked),
        "success8_rate": hits / len(attacked) if attacked else None,
        "success8_rate_ci95": wilson(hits, len(attacked)),
        "norm": norm,
        "median_norm": float(np.median(norms[np.isfinite(norms)])) if np.isfinite(norms).any() else None,
        "median_norm_all": float(np.median(norms)) if attacked else None,
        **{name: float(column(rows, name).mean()) for name in ("adv8_iou_target", "adv8_iou_truth")},
    }
