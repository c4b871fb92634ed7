"""Ways to damage the files of a miniature."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.miniature_drawing import box, save


class Wrong(NamedTuple):
    """change: does it to the miniature's root. message: what the error says. read: whether it shows when read only."""

    change: Callable[[Path], object]
    message: str
    read: bool = False


def remove_first(pattern: str) -> Callable[[Path], object]:
    """Removes a folder, or the first file, that a pattern finds."""

    def change(root: Path) -> None:
        path = sorted(root.glob(pattern))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def remove_all(pattern: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        paths = sorted(root.glob(pattern))
        assert paths
        for path in paths:
            path.unlink()

    return change


def copy_first(pattern: str, name: str) -> Callable[[Path], object]:
    """A copy of the first file found beside it."""

    def change(root: Path) -> None:
        path = sorted(root.glob(pattern))[0]
        shutil.copy(path, path.with_name(name))

    return change


def redraw(pattern: str, pixels: np.ndarray) -> Callable[[Path], object]:
    """Every file found gets other pixels."""

    def change(root: Path) -> None:
        paths = sorted(root.glob(pattern))
        assert paths
        for path in paths:
            save(path, pixels)

    return change


def gray_box(value: int, height: int = 30, width: int = 40) -> np.ndarray:
    return np.where(box(1, height, width) > 0, np.uint8(value), np.uint8(0))


def replace_arrays(**arrays: object) -> Callable[[Path], object]:
    """Replaces arrays of busi_128.npz; None removes one."""

    def change(root: Path) -> None:
        path = root / "busi_128.npz"
        kept = {name: array for name, array in dict(np.load(path)).items() if arrays.get(name, 0) is not None}
        np.savez(path, **kept | {name: array for name, array in arrays.items() if array is not None})

    return change


def remove_everything(root: Path) -> None:
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def truncate(root: Path, pattern: str) -> None:
    for path in root.glob(pattern):
        path.write_bytes(path.read_bytes()[:300])
