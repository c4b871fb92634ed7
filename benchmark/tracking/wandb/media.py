"""Rows as a Weights & Biases table, with pictures and masks for the first rows."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmark.images.label_maps import VOID
from benchmark.report.figures.montage import MontageItem

if TYPE_CHECKING:
    import wandb

Media = Callable[[Mapping[str, Any]], MontageItem | None]
"""Returns the pictures of a row, or None if the run has not saved them."""


def row_table(rows: Sequence[Mapping[str, Any]], media: Media | None = None, limit: int = 50) -> "wandb.Table":
    """All rows without their confusion counts; the first `limit` rows with the clean and the adversarial image.

    Both images have the masks truth, target and prediction.
    """
    import wandb

    columns = [name for name in (rows[0] if rows else ()) if not name.endswith("_confusion_truth")]
    table = wandb.Table(columns=["clean", "adversarial", *columns])
    for index, row in enumerate(rows):
        item = media(row) if media is not None and index < limit else None
        pictures = (None, None) if item is None else _pictures(item, row["classes"])
        table.add_data(*pictures, *(finite(row[name]) for name in columns))
    return table


def finite(value: Any) -> Any:
    """The value, or None for NaN and infinities, which charts cannot show."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pictures(item: MontageItem, classes: int) -> tuple["wandb.Image", "wandb.Image"]:
    masks = {item.truth_name: item.truth, "target": item.target}
    clean = _picture(item.image, masks | {"prediction": item.clean_pred}, classes)
    return clean, _picture(item.adv, masks | {"prediction": item.adv_pred}, classes)


def _picture(image: NDArray[Any], masks: Mapping[str, NDArray[Any]], classes: int) -> "wandb.Image":
    import wandb

    names = {label: "background" if label == 0 else f"class {label}" for label in range(classes)}
    names[VOID] = "not evaluated"
    layers = {
        name: {"mask_data": np.asarray(mask, dtype=np.uint8), "class_labels": names} for name, mask in masks.items()
    }
    return wandb.Image(np.ascontiguousarray(image), masks=layers)
