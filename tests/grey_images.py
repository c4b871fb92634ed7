"""Grey images of few or many bits."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_grey_images(root: Path, bits: int) -> Path:
    """Eight grey images of so many bits, as 16-bit files unless these are 8, and their masks; returns `root`."""
    rng = np.random.default_rng(bits)
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for i in range(8):
        mask = np.zeros((40, 36), np.uint8)
        mask[6 + i : 24 + i, 8:22] = 255
        levels = rng.integers(0, 2**bits // 4, mask.shape) + (mask > 0) * (2**bits // 2)
        kind = np.uint8 if bits == 8 else np.uint16
        Image.fromarray(levels.astype(kind)).save(root / "images" / f"case{i}.png")
        Image.fromarray(mask).save(root / "masks" / f"case{i}.png")
    return root
