"""Reads masks from files without loss; what a file says counts, not what a library makes of it."""

import re
from pathlib import Path

import numpy as np

from benchmark.data.encodings import LEVEL, THRESHOLD, Encoding, Threshold, encode
from benchmark.data.images import SIXTEEN_BIT_GRAY, Decoded, decode
from benchmark.data.source import VOID
from benchmark.errors import InputError

JPEG = {".jpg", ".jpeg"}
_FEW = 5  # values of a mask that may well be one for each class
JPEG_ROUNDING = 8  # levels by which the channels of a gray picture may differ after compression


def read_mask(path: Path, encoding: Encoding, key: str | None = None, threshold_key: str | None = None) -> np.ndarray:
    """Read a mask as (H, W) uint8 class indices, `VOID` among them.

    Its values are those of `read_values`. Grey files of 1, 2 or 4 bits have values of their own, such as 0 to 3, and
    levels, such as 0, 85, 170 and 255, which libraries give instead: meant are those that the encoding declares.
    A threshold is one of 8-bit levels, see `Threshold`.

    Args:
        path: of the file.
        encoding: value in the file -> class index.
        key: the encoding's in the configuration, for messages; None: the data set has no such key.
        threshold_key: the key that may ask for a threshold; None: `key`.

    Raises:
        InputError: the file cannot be read, or has a value that the encoding does not have.
    """
    decoded = decode(path)
    mode, values = decoded.picture.mode, _mask_values(decoded, path)
    cure = "restore the published file, or declare them in data=folder"
    if key:
        cure = f"declare them in {key}{_examples(values)}"
    if (of := threshold_key or key) and _is_grey(values, encoding):
        cure += f", or give {of}={THRESHOLD}, by which values from {LEVEL} on are class 1"
    hint = f"{cure}, or save the mask with declared values only (JPEG and resampling invent in-betweens)"
    if mode in {"P", "PA"}:
        hint = f"the values of a palette file are its palette indices; {cure}"
    if isinstance(encoding, Threshold):
        values = encoding.levels(values)
    highest = _highest_own(decoded)
    if highest < 255:
        own = values // (255 // highest)
        if _own_are_meant(own, values, highest, encoding, path):
            hint += f"; the file has {highest.bit_length()} bits, so that {highest} is its white, 255"
            values = own
    return encode(values, encoding, f"{path}: mask values", hint)


def _examples(values: np.ndarray) -> str:
    """How several classes, or labels that overlap, would be declared of masks with so few values; "" for others."""
    present = np.unique(values).tolist()
    if not 2 < len(present) <= _FEW:
        return ""
    names = [chr(ord("a") + place) for place in range(len(present) - 1)]
    classes = ",".join(f"{value}:{place}" for place, value in enumerate(present))
    labels = ",".join(f"{value}:[{','.join(names[:place])}]" for place, value in enumerate(present))
    return f", such as {{{classes}}}, or {{{labels}}} for labels that overlap"


def _is_grey(values: np.ndarray, encoding: Encoding) -> bool:
    """Whether values lie between those of two classes, as antialiased outlines do."""
    return set(encoding.values()) <= {0, 1, VOID} and len(np.unique(values)) > 2 and int(values.max()) <= 255


def _highest_own(decoded: Decoded) -> int:
    """The largest value that a grey file of few bits can hold, 1, 3 or 15; else 255."""
    if decoded.picture.mode == "1":
        return 1
    few = re.match(r"\W*L;([24])", decoded.stored)
    return 2 ** int(few[1]) - 1 if few and decoded.picture.mode == "L" else 255


def _own_are_meant(own: np.ndarray, levels: np.ndarray, highest: int, encoding: Encoding, path: Path) -> bool:
    """Whether the encoding declares the values of the file, and not the levels that they stand for.

    Raises InputError if it declares both, and they are other classes.
    """
    present = np.unique(own).tolist()
    scale = 255 // highest
    own_fit, levels_fit = (all(value * by in encoding for value in present) for by in (1, scale))
    if own_fit != levels_fit:
        return own_fit
    own_count, levels_count = (sum(value * by in encoding for value in range(highest + 1)) for by in (1, scale))
    if not own_fit:
        return True
    if own_count != levels_count:
        return own_count > levels_count
    if len(encoding) < 256 and any(encoding[value] != encoding[value * scale] for value in present):
        raise InputError(
            f"{path}: is a grey file of {highest.bit_length()} bits, whose values {present} are also read as "
            f"{[value * scale for value in present]}, and the encoding {encoding} declares both; save it with 8 bits"
        )
    return False  # an encoding of all levels is about levels


def read_values(path: Path) -> np.ndarray:
    """Read the values (H, W) of a mask file, before any encoding.

    The values are gray levels of 8 or 16 bits, 0 and 255 for 1-bit files, indices (not colours) for palette files, and
    for RGB files the value that all channels share; for a JPEG, whose channels differ by rounding, the luminance.
    """
    return _mask_values(decode(path), path)


def _mask_values(decoded: Decoded, path: Path) -> np.ndarray:
    """The (H,W) values a mask file holds, before any encoding."""
    picture = decoded.picture
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
