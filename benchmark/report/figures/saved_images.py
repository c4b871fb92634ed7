"""The pictures of a run's images, read back from what the run has saved."""

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


def saved_pictures(run: Path, row: Mapping[str, Any]) -> MontageItem:
    """What a row's image looked like: the saved files only, nothing is predicted. Raises InputError if one is missing.

    Args:
        run: the run's folder.
        row: one of its rows.
    """
    attack, image_id = row["attack"], row["id"]
    paths = RunFolder(run).picture("clean", image_id), RunFolder(run).adversarial(attack, image_id)
    (image, quantizer), (adv, _) = (load_levels(path) for path in paths)
    highest = quantizer.highest
    return MontageItem.of_row(
        row,
        image=_to_look_at(image, highest),
        adv=_to_look_at(adv, highest),
        delta=(adv.astype(np.float64) - image) / highest,
        truth=load_map(RunFolder(run).picture("truth", image_id)),
        target=load_map(RunFolder(run).picture("target", image_id)),
        clean_pred=load_map(RunFolder(run).picture("prediction", image_id)),
        adv_pred=load_map(RunFolder(run).prediction(attack, image_id)),
    )


def montage_paths(run: Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, Path]:
    """Of which attacks among the rows there is a montage, and where: one montage.png, or one per family of attacks.

    Of a family with several budgets, the largest is shown.
    """
    shown = [list(family.attacks)[-1] for family in families(rows)]
    return RunFolder(run).montage_files(shown)


def _to_look_at(levels: NDArray[np.int32], highest: int) -> NDArray[np.uint8]:
    return np.round(levels * (255 / highest)).astype(np.uint8)
