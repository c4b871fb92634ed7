"""Reads images from files without loss: a file whose values would change in conversion is an error."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin

from benchmark.errors import InputError
from benchmark.images.image_files import open_picture

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
"""Pillow's names of the formats that data sets may have, whatever the suffix of a file."""
SIXTEEN_BIT_GRAY = {"I", "I;16", "I;16B", "I;16L", "I;16N"}

_WHITE_IS_ZERO = 0  # of a TIFF's tag PhotometricInterpretation


class Decoded(NamedTuple):
    """A picture, turned upright by its EXIF orientation, and Pillow's name of how the file stores pixels (`L;2`)."""

    picture: Image.Image
    stored: str


def read_image(path: Path, bits: int = 8) -> np.ndarray:
    """The picture as (H,W,3) uint8 RGB, turned upright by its EXIF orientation; of more `bits` uint16, and grey.

    Gray is repeated over the channels, palettes are looked up, an alpha channel that is opaque everywhere is dropped.
    Raises InputError for unreadable files and for what 8-bit RGB cannot hold (transparency, 16 bits, CMYK, ...).
    """
    picture = decode(path).picture
    if bits > 8:
        return np.repeat(_levels(picture, path, bits)[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        lowest = picture.getchannel("A").getextrema()[0]
        if lowest != 255:
            raise InputError(
                f"{path}: is partly transparent (alpha down to {lowest}), so its colours are undefined; "
                "flatten it onto a background and save it without alpha"
            )
    if picture.mode in SIXTEEN_BIT_GRAY:
        return np.repeat(_eight_bits(np.asarray(picture), path)[:, :, None], 3, axis=2)
    if picture.mode not in {"RGB", "RGBA", "RGBX", "L", "LA", "1", "P", "PA"}:
        raise InputError(f"{path}: colour mode {picture.mode} has no exact 8-bit RGB form; save it as 8-bit RGB PNG")
    return np.array(picture.convert("RGB"))


def check_size(image: np.ndarray, image_path: Path, mask: np.ndarray, mask_path: Path) -> None:
    """Raise InputError if a mask (H, W) and its image (H, W, 3) differ in size."""
    if image.shape[:2] == mask.shape:
        return
    cure = "give each image a mask of its own size"
    for path, other in ((image_path, "mask"), (mask_path, "image")):
        if (orientation := _orientation(path)) != 1:
            turned = f"{path.name} is shown turned, by its EXIF orientation {orientation}"
            cure = f"{turned}: turn the {other} in the same way, or remove that tag"
    raise InputError(
        f"{mask_path}: mask is {mask.shape[1]}x{mask.shape[0]} (width x height) but its image {image_path} is "
        f"{image.shape[1]}x{image.shape[0]}; {cure}"
    )


def _orientation(path: Path) -> int:
    """The EXIF orientation of a file, 1 to 8; 1 if it has none."""
    try:
        with open_picture(path, FORMATS) as picture:
            return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, ValueError, TypeError):
        return 1


def decode(path: Path) -> Decoded:
    """Decode a picture; its depth and its number of frames are checked before Pillow hides them.

    Raises InputError for a file that cannot be read, that holds several pictures, or 16 bits per colour channel.
    """
    try:
        with open_picture(path, FORMATS) as picture:
            frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # MPO: a photo and its previews
            tiles = getattr(picture, "tile", None)
            stored = str(tiles[0].args) if tiles else ""
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            if _is_negative(picture):
                upright = Image.fromarray(65535 - np.asarray(upright).astype(np.uint16))
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace the file or leave it out") from error
    if frames > 1:
        raise InputError(f"{path}: holds {frames} pictures; save the one that is meant as a file of its own")
    if ";16" in stored and picture.mode not in SIXTEEN_BIT_GRAY:
        raise InputError(f"{path}: has 16 bits per colour channel; convert it to 8 bits, which is what attacks work on")
    return Decoded(upright, stored)


def _is_negative(picture: Image.Image) -> bool:
    """Whether 0 is white in a 16-bit TIFF; at 8 bits Pillow turns such files itself."""
    tags = getattr(picture, "tag_v2", {})
    white_is_zero = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    return white_is_zero and picture.mode in SIXTEEN_BIT_GRAY


def _eight_bits(gray: np.ndarray, path: Path) -> np.ndarray:
    """16-bit gray levels as 8-bit ones where nothing is lost: 8-bit values stored wide, or stretched by 257."""
    if gray.min() >= 0 and gray.max() <= 255:
        return gray.astype(np.uint8)
    if gray.min() >= 0 and gray.max() <= 65535 and not np.any(gray % 257):
        return (gray // 257).astype(np.uint8)
    raise InputError(
        f"{path}: 16-bit gray levels {gray.min()}..{gray.max()} do not fit 8 bits without loss; "
        "give data=folder with data.bits=16 data.channels=1, or choose an intensity window and save it as 8-bit PNG"
    )


def _levels(picture: Image.Image, path: Path, bits: int) -> np.ndarray:
    """The (H,W) levels of a 16-bit grey file as uint16."""
    if picture.mode not in SIXTEEN_BIT_GRAY:
        raise InputError(f"{path}: has colour mode {picture.mode}; data.bits={bits} needs 16-bit grey files")
    gray = np.asarray(picture)
    if gray.min() < 0 or gray.max() >= 2**bits:
        raise InputError(
            f"{path}: has levels {gray.min()}..{gray.max()}, data.bits={bits} are 0..{2**bits - 1}; "
            "declare the depth they have"
        )
    return gray.astype(np.uint16)
