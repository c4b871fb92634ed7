"""Adversarial images as files: lossless, 8 bits, rounded, and read back before anything is said about them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmark.errors import InputError
from benchmark.pixels import from_uint8, to_uint8
from benchmark.saving import saved_whole


def save_picture(image: Tensor, path: Path) -> None:
    """Write an image (C, H, W) in [0, 1], C = 1 or 3, as an 8-bit PNG; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = to_uint8(image).permute(1, 2, 0).numpy()
    with saved_whole(path) as temporary:
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(temporary, format="PNG")


def load_picture(path: Path) -> Tensor:
    """Read a saved image: (C, H, W) float32 in [0, 1]."""
    try:
        with Image.open(path) as picture:
            pixels = np.array(picture)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); attack the image again") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return from_uint8(torch.from_numpy(pixels).permute(2, 0, 1))
