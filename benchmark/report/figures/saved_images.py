"""The pictures that a run has saved, as montages and pages show them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.images.image_files import load_levels
from benchmark.images.label_maps import load_map
from benchmark.report.figures.montage import MontageItem
from benchmark.results.success_curves import families
from benchmark.runs.folder import RunFolder


def saved_pictures(run: RunFolder, row: Mapping[str, Any]) -> MontageItem:
    """Read the pictures and label maps that a run has saved of one row's image; nothing is predicted again.

    Raises:
        InputError: a file is missing or cannot be read.
    """
    attack, image_id = row["attack"], row["id"]
    image, quantizer = load_levels(run.picture("clean", image_id), inside=run.path)
    adv, _ = load_levels(run.adversarial(attack, image_id), inside=run.path)
    highest = quantizer.highest
    return MontageItem.of_row(
        row,
        image=_as_8_bits(image, highest),
        adv=_as_8_bits(adv, highest),
        delta=(adv.astype(np.float64) - image) / highest,
        truth=load_map(run.picture("truth", image_id), inside=run.path),
        target=load_map(run.picture("target", image_id), inside=run.path),
        clean_pred=load_map(run.picture("prediction", image_id), inside=run.path),
        adv_pred=load_map(run.prediction(attack, image_id), inside=run.path),
    )


def montage_paths(run: RunFolder, rows: Iterable[Mapping[str, Any]]) -> dict[str, Path]:
    """Attack -> the file of its montage, for one attack of each family: the one with the largest budget."""
    shown = [list(family.attacks)[-1] for family in families(rows)]
    return run.montage_files(shown)


def _as_8_bits(levels: NDArray[np.int32], highest: int) -> NDArray[np.uint8]:
    return np.round(levels * (255 / highest)).astype(np.uint8)
