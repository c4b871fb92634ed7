"""Adversarial images as files: lossless, rounded to their depth, and read back before anything is said about them."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError
from benchmark.images.label_maps import depth_of
from benchmark.images.quantisation import EIGHT_BIT, Quantizer


def save_picture(image: Tensor, path: Path, quantizer: Quantizer = EIGHT_BIT) -> None:
    """Write an image (C, H, W) in [0, 1] as a PNG, whole or not at all; C = 1, or 3 for 8 bits.

    More than 8 bits become a 16-bit file whose values are the levels, and which says how many bits they have.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = quantizer.to_levels(image).permute(1, 2, 0).numpy()
    said = PngInfo()
    if quantizer.bits > 8:
        pixels = pixels.astype(np.uint16)
        said.add_text("bits", str(quantizer.bits))
    with atomic_path(path) as temporary:
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        picture.save(temporary, format="PNG", pnginfo=said)


def load_picture(path: Path) -> Tensor:
    """Read a saved image: (C, H, W) float32 in [0, 1]."""
    try:
        # Nothing but PNG: Pillow has readers that start other programs.
        with Image.open(path, formats=["PNG"]) as picture:
            bits, pixels = depth_of(picture, path), np.array(picture).astype(np.int32)
    except InputError:
        raise
    except Exception as error:  # any bytes may come here, and Pillow raises many things at them
        reason = getattr(error, "strerror", None) or "no PNG that is whole"
        raise InputError(f"{path}: cannot be read ({reason}); attack the image again") from error
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return Quantizer(bits).from_levels(torch.from_numpy(pixels).permute(2, 0, 1))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
