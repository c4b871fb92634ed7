"""Which value in a mask file is which class: declared by a data set or a user, and checked."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.data.source import VOID
from benchmark.errors import InputError, did_you_mean

Encoding = dict[int, int]  # value in the file -> class index, or VOID
BINARY: Encoding = {0: 0, 255: 1}
THRESHOLD, LEVEL = "threshold", 128
"""What a user gives for masks whose values of at least a level are class 1; and the level unless another is given."""

_SHOWN = 40  # values of an encoding in a message


def encode(values: np.ndarray, encoding: Encoding, subject: str, cure: str) -> np.ndarray:
    """Class indices (H, W) uint8 of mask values (H, W) in 0..65535, `VOID` among them.

    Raises InputError for a value that the encoding does not have: `subject`, the values, and `cure`.
    """
    present = np.flatnonzero(np.bincount(values.ravel())).tolist()
    undeclared = [value for value in present if value not in encoding]
    if undeclared:
        shown = ", ".join(map(str, undeclared[:8])) + (", ..." if len(undeclared) > 8 else "")
        declared = encoding if len(encoding) <= _SHOWN else f"of {len(encoding)} values"
        raise InputError(f"{subject} {shown} are not in the declared encoding {declared}; {cure}")
    lookup = np.zeros(65536, np.uint8)
    lookup[list(encoding)] = list(encoding.values())
    return lookup[values]


class Threshold(dict[int, int]):
    """The encoding of a threshold, of all 8-bit levels; deeper files are brought to these levels first."""

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Mask values (H, W) as 8-bit levels: those above 255 are 16-bit levels, 256 of which make one of 8 bits.

        A file without values above 255 holds 8-bit levels, whatever its depth. Values that are declared themselves,
        such as an ignored one, stay as they are.
        """
        if values.max() <= 255:
            return values
        declared = [value for value in self if value > 255]
        return np.where(np.isin(values, declared), values, values // 256)


def threshold(least: int) -> Encoding:
    """The encoding of gray masks in which 8-bit levels of at least `least` are class 1, all others class 0."""
    return Threshold({value: int(value >= least) for value in range(256)})


def declared_encoding(
    encoding: object, classes: int, default: Encoding | None = None, key: str = "data.encoding"
) -> Encoding:
    """The encoding that a user declares: a mapping, a threshold, or nothing, which is the `default`.

    A threshold is for masks with in-between values along outlines, as scaling and compression make them:
    `threshold` (of 128), or `{threshold: LEVEL}`. Raises InputError as `check_encoding`.
    """
    if encoding is None and default is not None:
        return check_encoding(default, classes, key)
    if encoding == THRESHOLD:
        return threshold(LEVEL)
    if isinstance(encoding, Mapping) and list(encoding) == [THRESHOLD]:
        level = encoding[THRESHOLD]
        if type(level) is not int or not 1 <= level <= 255:
            raise InputError(f"{key}={{{THRESHOLD}:{level}}}: must be a whole number from 1 to 255")
        return threshold(level)
    return check_encoding(encoding, classes, key)


def published_or_threshold(encoding: object, default: Encoding) -> Encoding:
    """The published encoding of a data set, `default`, or the threshold that `data.encoding` asks for."""
    asked = encoding == THRESHOLD or (isinstance(encoding, Mapping) and list(encoding) == [THRESHOLD])
    if encoding is not None and not asked:
        near = did_you_mean(str(encoding), [THRESHOLD])
        raise InputError(
            f"data.encoding={encoding!r}: of this data set it is null, as published, or {THRESHOLD}, or "
            f"{{{THRESHOLD}:{LEVEL}}}{near or '; read other encodings with data=folder'}"
        )
    return declared_encoding(encoding, VOID, default)


def check_encoding(encoding: object, classes: int, key: str = "data.encoding") -> Encoding:
    """Convert the keys and values of an encoding to integers; YAML may give strings. `key` is its place there.

    Raises:
        InputError: it is no mapping, a key or value is no integer, a file value is not in 0..65535, or a class does
            not exist.
    """
    if not isinstance(encoding, Mapping):
        near = did_you_mean(str(encoding), [THRESHOLD])
        cure = f"quote it, '{key}={{0:0,255:1}}'"
        raise InputError(f"{key}={encoding!r}: is no mapping{near or f'; {cure}'}")
    try:
        checked = {int(str(value)): int(str(index)) for value, index in encoding.items()}
    except ValueError:
        near = "".join(did_you_mean(str(value), [THRESHOLD]) for value in list(encoding)[:1] if value != THRESHOLD)
        raise InputError(f"{key}={encoding}: keys (file values) and values (classes) must be integers{near}") from None
    for value, index in checked.items():
        if not 0 <= value <= 65535 or not (0 <= index < classes or index == VOID):
            raise InputError(
                f"{key}={checked}: {value} -> {index} is out of range; file values are 0..65535, "
                f"classes 0..{classes - 1}, {VOID} marks pixels that do not count"
            )
    return Threshold(checked) if isinstance(encoding, Threshold) else checked


def default_names(classes: int) -> tuple[str, ...]:
    """The names of classes that nobody has named: "class 0" and so on."""
    return tuple(f"class {index}" for index in range(classes))


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
    names = tuple(class_names or default_names(classes))
    if len(names) != classes:
        raise InputError(f"data.class_names={list(names)}: names for {classes} classes are needed")
    return names
