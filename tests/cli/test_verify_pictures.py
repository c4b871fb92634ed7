"""A picture of a run that was changed: `verify` names the row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from benchmark.runs.folder import RunFolder
from tests.fixtures.spoilt import PICKED, change_pixels, columns_of, first_row, set_values


def test_a_pixel_of_a_picture(mismatches, spoilt: Path) -> None:
    def change(pixels: np.ndarray) -> None:
        pixels[3, 5, 1] ^= 1

    place = change_pixels(spoilt, change)
    assert columns_of(mismatches(spoilt), place) >= {"adv8_sha256", "adv8_l2", "adv8_psnr"}


def test_a_pixel_of_a_picture_without_a_hash(mismatches, spoilt: Path) -> None:
    def change(pixels: np.ndarray) -> None:
        pixels[3, 5, 1] ^= 1

    set_values(spoilt, adv8_sha256=None)
    place = change_pixels(spoilt, change)
    assert columns_of(mismatches(spoilt), place) >= {"adv8_l2", "adv8_psnr"}


def test_two_pixels_that_change_places(mismatches, spoilt: Path) -> None:
    """No norm sees that, and hardly a prediction: the hash does."""
    root = Path(OmegaConf.load(spoilt / "config.yaml").data.root)
    clean = np.array(Image.open(root / "images" / f"{first_row(spoilt)['id']}.png")).astype(int)

    def change(pixels: np.ndarray) -> None:
        delta = pixels - clean
        # Two neighbours of one channel with changes of equal size and other signs take each other's.
        y, x, c = np.argwhere((delta[:, :-1] == -delta[:, 1:]) & (delta[:, :-1] != 0))[0]
        pixels[y, x : x + 2, c] = (clean - delta)[y, x : x + 2, c]

    place = change_pixels(spoilt, change)
    columns = columns_of(mismatches(spoilt), place)
    assert "adv8_sha256" in columns
    assert not columns & {"adv8_l2", "adv8_linf", "adv8_psnr"}


def test_a_picture_saved_again_has_other_bytes(mismatches, spoilt: Path) -> None:
    row = first_row(spoilt)
    path = RunFolder(spoilt).adversarial(row["attack"], row["id"])
    path.write_bytes(path.read_bytes() + b"\0")
    assert columns_of(mismatches(spoilt), f"{PICKED} / {row['id']}: ") == {"adv8_sha256"}


@pytest.mark.parametrize("content", [None, b"half", "larger", "grey"])
def test_a_picture_that_is_gone_or_another_one(mismatches, spoilt: Path, content: Any) -> None:
    row = first_row(spoilt)
    path = RunFolder(spoilt).adversarial(row["attack"], row["id"])
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        Image.new({"larger": "RGB", "grey": "L"}[content], {"larger": (33, 32), "grey": (32, 32)}[content]).save(path)
    (line,) = mismatches(spoilt)
    assert line.startswith(f"{PICKED} / {row['id']}: adversarial")
