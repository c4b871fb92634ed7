"""Scores of single classes, or of labels that overlap."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.column_arrays import Rows
from benchmark.runs.limited_text import parse_json
from benchmark.runs.row_schema import CLASS_SCORES, PREDICTIONS


def by_class(rows: Rows) -> dict[str, dict[str, Any]]:
    """One attack's IoUs of each class or label: name -> {"images", "clean_iou_target", ..., "adv8_iou_truth"}.

    IoUs are means over the images in which the class occurs, in the reference or in the prediction; null if in none.
    `images` are those in whose truth or clean prediction it occurs. Empty for rows that name no classes.
    """
    names = parse_json(rows[0].get("class_names") or "[]")
    columns = [f"{prediction}_{score}" for prediction in PREDICTIONS for score in CLASS_SCORES]
    values = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in columns} if names else {}
    scores = {}
    for place, name in enumerate(names):
        known = ~np.isnan(values["clean_class_iou_truth"][:, place])
        means = {column.replace("_class", ""): _mean(table[:, place]) for column, table in values.items()}
        scores[name if names.count(name) == 1 else f"{place} {name}"] = {"images": int(known.sum())} | means
    return scores


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
