"""The confusion counts of rows as arrays."""

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL
from benchmark.results.column_arrays import Rows


def kind_of(rows: Rows, what: str) -> tuple[int, int | None]:
    """(number of classes, background) of the rows. Raises InputError, which begins with `what`, if they differ.

    The background is `NO_LABEL` where the classes are subsets of labels.
    """
    kinds = {(row["classes"], row["background"], bool(row.get("overlapping"))) for row in rows}
    if len(kinds) != 1:
        shown = [kind[:2] if not kind[2] else (*kind[:2], "overlapping") for kind in kinds]
        raise InputError(
            f"{what}: rows have (classes, background) {sorted(shown, key=str)}; "
            "summarise rows of one data set and victim at a time"
        )
    classes, background, overlapping = kinds.pop()
    return classes, NO_LABEL if overlapping else background


def confusion_to_truth(rows: Rows, prediction: str, classes: int) -> NDArray[np.int64]:
    """Pixel counts (N, K, K), indexed [label, prediction]; `prediction` is "clean", "adv" or "adv8"."""
    counts = np.array([row[f"{prediction}_confusion_truth"] for row in rows], dtype=np.int64)
    return counts.reshape(len(rows), classes, classes)


def foreground_share(counts: NDArray[np.int64], background: int) -> NDArray[np.float64]:
    """Share of the valid pixels that the truth labels as foreground (N,), from (N, K, K); 0 without valid pixels."""
    labelled = counts.sum(2).astype(np.float64)
    total = labelled.sum(1)
    share: NDArray[np.float64] = (total - labelled[:, background]) / np.maximum(total, 1)
    return share
