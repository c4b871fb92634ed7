"""Adversarial images as files: lossless, 8 bits, rounded, and read back before anything is said about them."""

import hashlib
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
        # Nothing but PNG: Pillow has readers that start other programs.
        with Image.open(path, formats=["PNG"]) as picture:
            pixels = np.array(picture)
    except Exception as error:  # any bytes may come here, and Pillow raises many things at them
        reason = getattr(error, "strerror", None) or "no PNG that is whole"
        raise InputError(f"{path}: cannot be read ({reason}); attack the image again") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return from_uint8(torch.from_numpy(pixels).permute(2, 0, 1))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
