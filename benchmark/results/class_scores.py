"""Scores of single classes, or of labels that overlap."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.column_arrays import Rows
from benchmark.results.erased_targets import class_areas
from benchmark.runs.limited_text import parse_json
from benchmark.runs.row_schema import CLASS_SCORES, PREDICTIONS


def by_class(rows: Rows) -> dict[str, dict[str, Any]]:
    """One attack's IoUs of each class or label: name -> {"images", "clean_iou_target", ..., "adv8_iou_truth"}.

    IoUs are means over the images in which the class occurs, in the reference or in the prediction; null if in none.
    `images` are those in whose truth or clean prediction it occurs. IoU to an empty reference is 0 or undefined: images
    whose target erases the class, which their truth has, do not enter IoUs to the target. `erased` counts them, and
    `adv8_area_left` is the mean share of its area that the 8-bit file leaves; null without any. Empty for rows that
    name no classes.
    """
    names = parse_json(rows[0].get("class_names") or "[]")
    columns = [f"{prediction}_{score}" for prediction in PREDICTIONS for score in CLASS_SCORES]
    values = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in columns} if names else {}
    scores = {}
    for place, name in enumerate(names):
        known = ~np.isnan(values["clean_class_iou_truth"][:, place])
        shares = np.array([_area_left(row, place) for row in rows], dtype=np.float64)
        erased = ~np.isnan(shares)
        means = {
            column.replace("_class", ""): _mean(table[~erased if column.endswith("_target") else ..., place])
            for column, table in values.items()
        }
        counts = {"images": int(known.sum()), "erased": int(erased.sum())}
        left = {"adv8_area_left": _mean(shares)}
        scores[name if names.count(name) == 1 else f"{place} {name}"] = counts | means | left
    return scores


def _area_left(row: Mapping[str, Any], place: int) -> float | None:
    """Of a class that the target erases, the share of its area that is left; None of another, or one not there."""
    pixels = row["target_class_pixels"]
    if not row["targeted"] or not pixels or pixels[place]:
        return None
    shown, left = class_areas(row)[place]
    return left / shown if shown else None


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
