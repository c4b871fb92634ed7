"""The float results that attacks with larger budgets start from, one compressed file for each image and attack."""

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError, machine_error
from benchmark.regular_files import open_regular

Point = NDArray[Any]

_MEMBER = "point.npy"  # the name that NumPy gives to the array `point`
_TYPES = ("<f4", "<f8")
_LARGEST = 2**30  # bytes of a point
_MOST_CHANNELS = 4


def point_sha256(point: Point) -> str:
    """SHA-256 of a point's type, shape and values, in hexadecimal; how its file is compressed plays no part."""
    values = _little_endian(point)
    text = f"{values.dtype.str} {values.shape}"
    return hashlib.sha256(text.encode() + values.tobytes()).hexdigest()


def save_point(point: Point, path: Path) -> None:
    """Write a point (C, H, W), float32 or float64, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, point=_little_endian(point))


def load_point(path: Path, inside: Path) -> Point:
    """Read a point (C, H, W), float32 or float64; the file may come from a stranger.

    Raises:
        InputError: it cannot be read, is no point, or does not lie in the folder `inside`; the message names no cure.
    """
    try:
        with open_regular(path, inside) as file, zipfile.ZipFile(file) as archive:
            if archive.namelist() != [_MEMBER] or archive.getinfo(_MEMBER).file_size > _LARGEST:
                raise ValueError("not the file that a run writes")
            with archive.open(_MEMBER) as member:
                return _read(member)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if failure := machine_error(error, path, reading=True):
            raise failure from error
        raise InputError(f"{path}: cannot be read as a point ({' '.join(str(error).split())})") from error


def _read(member: Any) -> Point:
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"version {version}")
    shape, column_major, kind = np.lib.format.read_array_header_1_0(member)
    if column_major or kind.str not in _TYPES or len(shape) != 3 or shape[0] > _MOST_CHANNELS:
        raise ValueError(f"holds {kind} of shape {shape}")
    size = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    # As many bytes as the header says, and not one more: what an archive claims of itself may be wrong.
    values = member.read(min(size, _LARGEST) + 1)
    if len(values) != size:
        raise ValueError(f"holds {len(values)} bytes for shape {shape}")
    return np.frombuffer(values, kind).reshape(shape).copy()


def _little_endian(point: Point) -> Point:
    return np.ascontiguousarray(point, point.dtype.newbyteorder("<"))
