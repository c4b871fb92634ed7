"""Results by the size of the structure that is attacked."""

from typing import Any

import numpy as np

from benchmark.results.columns import Rows
from benchmark.results.confusion_counts import confusion_to_truth, foreground_share, kind_of
from benchmark.results.strata import strata

SMALL, LARGE = 0.05, 0.15
"""Shares of the valid pixels below and above which the truth's foreground is a small or a large structure: polyps and
nodules are mostly below the first, skin lesions and organs above the second."""

SIZES = ("none", "small", "medium", "large")


def by_size(rows: Rows) -> dict[str, dict[str, Any]]:
    """The strata of one attack's rows by size of the truth's foreground.

    "none" has no foreground at all. Empty where no class is background, because then there is no foreground.
    """
    classes, background = kind_of(rows, "by size")
    if background is None:
        return {}
    share = foreground_share(confusion_to_truth(rows, "clean", classes), background)
    return strata(rows, np.select([share == 0, share < SMALL, share <= LARGE], SIZES[:3], SIZES[3]), SIZES)
