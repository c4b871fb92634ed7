"""Results by the size of the structure in the image."""

from typing import Any

import numpy as np

from benchmark.results.column_arrays import Rows
from benchmark.results.confusion_counts import confusion_to_truth, foreground_share, kind_of
from benchmark.results.strata import strata

SMALL, LARGE = 0.05, 0.15
"""A structure is small below the first share of the valid pixels and large above the second. Most polyps and nodules
are small, most skin lesions and organs large."""

SIZES = ("none", "small", "medium", "large")


def by_size(rows: Rows) -> dict[str, dict[str, Any]]:
    """One attack's results by the size of the foreground in the truth; "none" is an image without foreground.

    Empty if no class is background, because then no pixel is foreground.
    """
    classes, background = kind_of(rows, "by size")
    if background is None:
        return {}
    share = foreground_share(confusion_to_truth(rows, "clean", classes), background)
    return strata(rows, np.select([share == 0, share < SMALL, share <= LARGE], SIZES[:3], SIZES[3]), SIZES)
