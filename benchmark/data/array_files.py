"""Reads arrays from `.npz` files, the one place that does: no pickled object, and nothing larger than memory."""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmark.regular_files import open_regular


def array_names(path: Path) -> list[str]:
    """The names of the arrays in the file, sorted. Raises OSError if it cannot be read."""
    with _opened(path) as archive:
        return sorted(name.removesuffix(".npy") for name in archive.namelist())


def load_array(path: Path, name: str) -> np.ndarray:
    """Read one array.

    Raises:
        OSError: the file cannot be read, has no such array, or the array is one of Python objects, or is larger than
            the file says, or than half of this machine's memory.
    """
    with _opened(path) as archive:
        size, most = archive.getinfo(f"{name}.npy").file_size, _memory() // 2
        if size > most:
            raise OSError(f"{name} takes {size / 2**30:.1f} GiB; at most {most / 2**30:.1f} GiB are read here")
        with archive.open(f"{name}.npy") as member:
            # numpy allocates what the header declares, before it reads anything.
            version = np.lib.format.read_magic(member)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(member)
            declared = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
            if dtype.hasobject:
                raise OSError(f"{name} holds Python objects, which are not read")
            if declared > size:
                raise OSError(f"{name} is declared as {shape} of {dtype}, and the file does not hold so much")
        with archive.open(f"{name}.npy") as member:
            return np.lib.format.read_array(member, allow_pickle=False)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except OSError:
        raise
    except Exception as error:  # for broken files zipfile and numpy raise errors of many kinds
        raise OSError(str(error)) from error


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
