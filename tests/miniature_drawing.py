"""What the writers of miniatures draw and save: images of noise around a few shapes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

HEIGHT = 30
WIDTH = 40
VOID = 255


class Miniature(NamedTuple):
    """masks: class map by id; of the fundus sets with separate maps (disc, cup) as drawn. splits: ids by split.

    "train+val" and "train+val+test" stand for ids among which those splits are drawn. groups: by id, where known.
    """

    masks: dict[str, np.ndarray]
    splits: dict[str, list[str]]
    groups: dict[str, str] = {}  # noqa: RUF012  # nobody changes it


def box(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(H,W) of 0 and 1: a rectangle at a place and of a size that depend on the seed."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    top, left = rng.integers(2, height // 3), rng.integers(2, width // 3)
    mask[top : top + height // 3 + seed % 3, left : left + width // 3 + seed % 5] = 1
    return mask


def picture(seed: int, mask: np.ndarray) -> np.ndarray:
    """(H,W,3): noise, brighter where the mask is not 0."""
    noise = np.random.default_rng(seed).integers(0, 120, (*mask.shape, 3), np.uint8)
    return noise + np.uint8(100) * (mask[:, :, None] > 0)


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
