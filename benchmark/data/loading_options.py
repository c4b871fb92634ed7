"""Checks of the keys that say how the images of any data set are loaded."""

from collections.abc import Sequence
from typing import Any

from benchmark.data.source import FILES, PREDICTED, SPLITS
from benchmark.errors import InputError, did_you_mean

LARGEST_SIDE = 8192  # pixels of a side of an image
MOST_WORKERS = 256  # processes of a loader
EVERY = "all"
"""The `data.test_split` that is every image of the data set."""


def image_size(size: Any) -> tuple[int, int]:
    """Height and width of `data.size`, which is both in one number or [height, width]. Raises InputError."""
    sides = list(size) if isinstance(size, list | tuple) else [size]
    if len(sides) > 2 or not sides or not all(type(side) is int for side in sides):
        raise InputError(f"data.size={size!r}: must be a whole number of pixels, or [height,width]")
    if isinstance(size, list | tuple) and len(sides) == 1:
        cure = f"give data.size={sides[0]} for a square, or 'data.size=[height,width]'"
        raise InputError(f"data.size={list(size)}: is one side; {cure}")
    for side in sides:
        if not 8 <= side <= LARGEST_SIDE:
            limit = "at least 8" if side < 8 else f"at most {LARGEST_SIDE}"
            raise InputError(f"data.size={size!r}: must be {limit}")
    return sides[0], sides[-1]


def as_given(size: tuple[int, int]) -> str:
    """What to give as `data.size` for images of this (height, width)."""
    height, width = size
    return str(height) if height == width else f"[{height},{width}]"


def check_loading(*, batch_size: Any, num_workers: Any, test_split: Any, labels: Any, channels: Any, bits: int) -> None:
    """Raise InputError for a value that cannot be used."""
    for key, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"data.{key}={value!r}: must be a whole number")
        if value < least:
            raise InputError(f"data.{key}={value}: must be at least {least}")
    if num_workers > MOST_WORKERS:
        raise InputError(f"data.num_workers={num_workers}: must be at most {MOST_WORKERS}")
    check_choice("test_split", test_split, (*SPLITS, EVERY))
    check_choice("labels", labels, (FILES, PREDICTED))
    if channels not in (1, 3):
        raise InputError(f"data.channels={channels!r}: must be 3, or 1 for grey images")
    if bits > 8 and channels != 1:
        raise InputError(f"data.bits={bits}: such images have one channel; give data.channels=1")


def check_choice(key: str, value: Any, known: Sequence[str]) -> None:
    """Raise InputError, with the nearest known one, for a value of data.KEY that is none of the `known` ones."""
    if value not in known:
        near = did_you_mean(str(value), known)
        raise InputError(f"data.{key}={value!r}: must be {', '.join(known[:-1])} or {known[-1]}{near}")
