"""Which value in a mask file is which class: declared by a data set or a user, and checked."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.data.source import VOID
from benchmark.errors import InputError

Encoding = dict[int, int]  # value in the file -> class index, or VOID


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


def threshold(least: int) -> Encoding:
    """The encoding of 8-bit gray masks in which values of at least `least` are class 1, all others class 0."""
    return {value: int(value >= least) for value in range(256)}


def check_encoding(encoding: object, classes: int, key: str = "data.encoding") -> Encoding:
    """Convert the keys and values of an encoding to integers; YAML may give strings. `key` is its place there.

    Raises:
        InputError: it is no mapping, a key or value is no integer, a file value is not in 0..65535, or a class does
            not exist.
    """
    if not isinstance(encoding, Mapping):
        raise InputError(f"{key}={encoding!r}: is no mapping; quote it, '{key}={{0:0,255:1}}'")
    try:
        checked = {int(str(value)): int(str(index)) for value, index in encoding.items()}
    except ValueError:
        raise InputError(f"{key}={encoding}: keys (file values) and values (classes) must be integers") from None
    for value, index in checked.items():
        if not 0 <= value <= 65535 or not (0 <= index < classes or index == VOID):
            raise InputError(
                f"{key}={checked}: {value} -> {index} is out of range; file values are 0..65535, "
                f"classes 0..{classes - 1}, {VOID} marks pixels that do not count"
            )
    return checked


def check_classes(
    classes: int, background: int | None, class_names: Sequence[str] | None, key: str = "data.encoding"
) -> tuple[str, ...]:
    """The names of the classes: those given, or "class 0" and so on. `key` is what their number comes from.

    Raises:
        InputError: fewer than 2 or more than `VOID` classes, a background that is none of them, or another number of
            names.
    """
    if not 2 <= classes <= VOID:
        raise InputError(f"{key}: gives {classes} classes; a segmentation needs 2 to {VOID}, background included")
    if background is not None and not 0 <= background < classes:
        raise InputError(f"data.background={background}: must be one of the classes 0..{classes - 1}, or null")
    names = tuple(class_names or (f"class {index}" for index in range(classes)))
    if len(names) != classes:
        raise InputError(f"data.class_names={list(names)}: names for {classes} classes are needed")
    return names
