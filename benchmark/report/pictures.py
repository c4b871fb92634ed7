"""The pictures of a run's images, read back from what the run has saved."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import InputError
from benchmark.maps import load_map
from benchmark.records import file_name
from benchmark.report.curves import families
from benchmark.report.figures import MontageItem
from benchmark.run_folder import adversarial_path, picture_path, prediction_path


def saved_pictures(run: Path, row: Mapping[str, Any]) -> MontageItem:
    """What a row's image looked like: the saved files only, nothing is predicted. Raises InputError if one is missing.

    Args:
        run: the run's folder.
        row: one of its rows.
    """
    attack, image_id = row["attack"], row["id"]
    image, adv = load_pixels(picture_path(run, "clean", image_id)), load_pixels(adversarial_path(run, attack, image_id))
    return MontageItem.of_row(
        row,
        image=image,
        adv=adv,
        delta=(adv.astype(np.float64) - image) / 255,
        truth=load_map(picture_path(run, "truth", image_id)),
        target=load_map(picture_path(run, "target", image_id)),
        clean_pred=load_map(picture_path(run, "prediction", image_id)),
        adv_pred=load_map(prediction_path(run, attack, image_id)),
    )


def montage_paths(run: Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, Path]:
    """Of which attacks among the rows there is a montage, and where: one montage.png, or one per family of attacks.

    Of a family with several budgets, the largest is shown.
    """
    shown = [list(family.attacks)[-1] for family in families(rows)]
    names = ["montage.png"] if len(shown) == 1 else [f"montage_{file_name(attack)}.png" for attack in shown]
    return {attack: run / name for attack, name in zip(shown, names, strict=True)}


def load_pixels(path: Path) -> NDArray[np.uint8]:
    """(H, W, C) with 1 or 3 channels. Raises InputError if it cannot be read."""
    try:
        with Image.open(path) as picture:
            pixels = np.array(picture, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); attack the image again") from error
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
