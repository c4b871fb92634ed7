"""Pictures as files: the one place that opens them, and images saved as PNGs and read back."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError
from benchmark.images.quantisation import EIGHT_BIT, Quantizer
from benchmark.regular_files import open_regular

MAX_PIXELS = 2**27
"""Pixels of a picture, at most: 134 million, 400 MB as 8-bit RGB."""

# What Pillow cannot read is an error here; its warnings, such as that of a limit of its own, would be more lines.
warnings.filterwarnings("ignore", module=r"PIL\.")


@contextmanager
def open_picture(
    path: Path, formats: Sequence[str] = ("PNG",), *, inside: Path | None = None, max_pixels: int = MAX_PIXELS
) -> Iterator[Image.Image]:
    """Open a picture; Pillow decodes it when its pixels are asked for.

    A file from a stranger does no harm: Pillow tries no other format (some of its readers start programs), nothing
    larger than `max_pixels` is decoded, and a pipe or a device is not read.

    Args:
        path: of a regular file, or of a symbolic link to one.
        formats: Pillow's names of the formats that are allowed, whatever the suffix of the file.
        inside: the folder that has to hold the file, links resolved; None: it may lie anywhere.
        max_pixels: width times height, at most.

    Raises:
        OSError: the file cannot be opened, or is no such picture; also for errors of decoding inside the `with` block.
    """
    try:
        with open_regular(path, inside) as file, Image.open(file, formats=tuple(formats)) as picture:
            if picture.width * picture.height > max_pixels:
                raise OSError(f"{picture.width} x {picture.height} pixels; at most {max_pixels} are read")
            yield picture
    except UnidentifiedImageError as error:  # whose message names the opened file's object
        raise OSError(f"cannot identify image file as {', '.join(formats)}") from error
    except (OSError, InputError):
        raise
    except Exception as error:  # for broken files Pillow raises errors of many kinds
        raise OSError(str(error)) from error


def save_picture(image: Tensor, path: Path, quantizer: Quantizer) -> None:
    """Write an image (C, H, W) in [0, 1] as a PNG, whole or not at all; C = 1, or 3 for 8 bits.

    More than 8 bits become a 16-bit file whose values are the levels; its text chunk "bits" has the number of bits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = quantizer.to_levels(image).permute(1, 2, 0).numpy()
    chunks = PngInfo()
    if quantizer.bits > 8:
        pixels = pixels.astype(np.uint16)
        chunks.add_text("bits", str(quantizer.bits))
    with atomic_path(path) as temporary:
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        picture.save(temporary, format="PNG", pnginfo=chunks)


def load_levels(path: Path, *, inside: Path) -> tuple[NDArray[np.int32], Quantizer]:
    """Read an image that a run has saved in its folder `inside`: its levels (H, W, C), and their quantizer.

    Raises:
        InputError: the file cannot be read, `save_picture` has not written it, or a link leads out of the folder.
    """
    try:
        with open_picture(path, inside=inside) as picture:
            quantizer, levels = _quantizer_of(picture, path), np.array(picture).astype(np.int32)
    except OSError as error:
        reason = error.strerror or "not a complete PNG file"
        raise InputError(f"{path}: cannot be read ({reason}); attack the image again") from error
    return levels[:, :, None] if levels.ndim == 2 else levels, quantizer


def load_picture(path: Path, *, inside: Path) -> Tensor:
    """Read a saved image: (C, H, W) float32 in [0, 1]. Raises InputError as `load_levels` does."""
    levels, quantizer = load_levels(path, inside=inside)
    return quantizer.from_levels(torch.from_numpy(levels).permute(2, 0, 1))


def _quantizer_of(picture: Image.Image, path: Path) -> Quantizer:
    """8 bits, or as many as the text chunk of a 16-bit file has."""
    if picture.mode in ("L", "RGB"):
        return EIGHT_BIT
    bits = str(picture.info.get("bits"))
    if not (picture.mode.startswith("I") and bits.isdecimal() and 8 < int(bits) <= 16):
        raise InputError(f"{path}: is no image that a run has saved (mode {picture.mode}); attack the image again")
    return Quantizer(int(bits))
