"""Reads images and masks from files without loss: a file whose values would change in conversion is an error."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmark.data.source import VOID
from benchmark.errors import InputError
from benchmark.images.image_files import open_picture

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
"""Pillow's names of the formats that data sets may have, whatever the suffix of a file."""
JPEG = {".jpg", ".jpeg"}
JPEG_ROUNDING = 8  # levels by which the channels of a gray picture may differ after compression
SIXTEEN_BIT_GRAY = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
Encoding = dict[int, int]  # value in the file -> class index, or VOID


def read_image(path: Path, bits: int = 8) -> np.ndarray:
    """The picture as (H,W,3) uint8 RGB, turned upright by its EXIF orientation; of more `bits` uint16, and grey.

    Gray is repeated over the channels, palettes are looked up, an alpha channel that is opaque everywhere is dropped.
    Raises InputError for unreadable files and for what 8-bit RGB cannot hold (transparency, 16 bits, CMYK, ...).
    """
    picture = _open(path)
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


def read_mask(path: Path, encoding: Encoding, key: str = "data.encoding") -> np.ndarray:
    """Read a mask as (H, W) uint8 class indices, `VOID` among them; its values are those of `read_values`.

    Raises:
        InputError: the file cannot be read, or has a value that the encoding does not have; the message names `key`,
            which is the encoding's in the configuration.
    """
    picture = _open(path)
    hint = f"declare them in {key}, or save the mask with declared values only (JPEG invents in-betweens)"
    if picture.mode in {"P", "PA"}:
        hint = f"the values of a palette file are its palette indices; declare them in {key}"
    return encode(_mask_values(picture, path), encoding, f"{path}: mask values", hint)


def encode(values: np.ndarray, encoding: Encoding, subject: str, cure: str) -> np.ndarray:
    """Class indices (H, W) uint8 of mask values (H, W) in 0..65535, `VOID` among them.

    Raises InputError for a value that the encoding does not have: `subject`, the values, and `cure`.
    """
    present = np.flatnonzero(np.bincount(values.ravel())).tolist()
    undeclared = [value for value in present if value not in encoding]
    if undeclared:
        shown = ", ".join(map(str, undeclared[:8])) + (", ..." if len(undeclared) > 8 else "")
        raise InputError(f"{subject} {shown} are not in the declared encoding {encoding}; {cure}")
    lookup = np.zeros(65536, np.uint8)
    lookup[list(encoding)] = list(encoding.values())
    return lookup[values]


def read_values(path: Path) -> np.ndarray:
    """Read the values (H, W) of a mask file, before any encoding.

    The values are gray levels of 8 or 16 bits, 0 and 255 for 1-bit files, indices (not colours) for palette files, and
    for RGB files the value that all channels share; for a JPEG, whose channels differ by rounding, the luminance.
    """
    return _mask_values(_open(path), path)


def check_size(image: np.ndarray, image_path: Path, mask: np.ndarray, mask_path: Path) -> None:
    """Raise InputError if a mask (H, W) and its image (H, W, 3) differ in size."""
    if image.shape[:2] != mask.shape:
        raise InputError(
            f"{mask_path}: mask is {mask.shape[1]}x{mask.shape[0]} (width x height) but its image {image_path} is "
            f"{image.shape[1]}x{image.shape[0]}; give each image a mask of its own size"
        )


def threshold(least: int) -> Encoding:
    """The encoding of 8-bit gray masks in which values of at least `least` are class 1, all others class 0."""
    return {value: int(value >= least) for value in range(256)}


def check_encoding(encoding: object, classes: int) -> Encoding:
    """Convert the keys and values of an encoding to integers; YAML may give strings.

    Raises:
        InputError: it is no mapping, a key or value is no integer, a file value is not in 0..65535, or a class does
            not exist.
    """
    if not isinstance(encoding, Mapping):
        raise InputError(f"data.encoding={encoding!r}: is no mapping; quote it, 'data.encoding={{0:0,255:1}}'")
    try:
        checked = {int(str(value)): int(str(index)) for value, index in encoding.items()}
    except ValueError:
        raise InputError(f"encoding {encoding}: keys (file values) and values (classes) must be integers") from None
    for value, index in checked.items():
        if not 0 <= value <= 65535 or not (0 <= index < classes or index == VOID):
            raise InputError(
                f"encoding {checked}: {value} -> {index} is out of range; file values are 0..65535, "
                f"classes 0..{classes - 1}, {VOID} marks pixels that do not count"
            )
    return checked


def check_classes(classes: int, background: int | None, class_names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of the classes: those given, or "class 0" and so on.

    Raises:
        InputError: fewer than 2 or more than `VOID` classes, a background that is none of them, or another number of
            names.
    """
    if not 2 <= classes <= VOID:
        raise InputError(f"data.classes={classes}: a segmentation needs 2 to {VOID} classes, background included")
    if background is not None and not 0 <= background < classes:
        raise InputError(f"data.background={background}: must be one of the classes 0..{classes - 1}, or null")
    names = tuple(class_names or (f"class {index}" for index in range(classes)))
    if len(names) != classes:
        raise InputError(f"data.class_names={list(names)}: names for {classes} classes are needed")
    return names


def _open(path: Path) -> Image.Image:
    """The decoded, upright picture; its depth and its number of frames are checked before Pillow hides them."""
    try:
        with open_picture(path, FORMATS) as picture:
            frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # MPO: a photo and its previews
            tiles = getattr(picture, "tile", None)
            raw_mode = str(tiles[0].args) if tiles else ""
            picture.load()
            upright = ImageOps.exif_transpose(picture)
    except OSError as error:
        reason = " ".join(str(error).replace(f"{str(path)!r}", "the file").split())
        raise InputError(f"{path}: cannot be read as an image ({reason}); replace the file or leave it out") from error
    if frames > 1:
        raise InputError(f"{path}: holds {frames} pictures; save the one that is meant as a file of its own")
    if ";16" in raw_mode and picture.mode not in SIXTEEN_BIT_GRAY:
        raise InputError(f"{path}: has 16 bits per colour channel; convert it to 8 bits, which is what attacks work on")
    return upright


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


def _mask_values(picture: Image.Image, path: Path) -> np.ndarray:
    """The (H,W) values a mask file holds, before any encoding."""
    if picture.mode == "1":
        return np.array(picture.convert("L"))
    if picture.mode in {"L", "P"}:
        return np.array(picture)
    if picture.mode in SIXTEEN_BIT_GRAY:
        values = np.array(picture).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"{path}: mask values {values.min()}..{values.max()} are outside 0..65535; save 8 bits")
        return values
    if picture.mode in {"RGB", "RGBA", "LA", "PA"}:
        channels = np.array(picture)
        if picture.mode != "RGB":
            if np.any(channels[:, :, -1] != 255):
                raise InputError(f"{path}: mask is partly transparent; save it as single-channel 8-bit PNG")
            channels = channels[:, :, :-1]
        if path.suffix.lower() in JPEG and np.all(np.ptp(channels, axis=2) <= JPEG_ROUNDING):
            return np.array(picture.convert("L"))
        if np.any(channels != channels[:, :, :1]):
            raise InputError(f"{path}: mask is coloured (its channels differ); save class indices as 8-bit PNG")
        return channels[:, :, 0]
    raise InputError(f"{path}: mask has colour mode {picture.mode}; save class indices as single-channel 8-bit PNG")
