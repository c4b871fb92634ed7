"""Classes that lie one within the other, read as labels that overlap; and encodings that name such labels."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy as np

from benchmark.data.encodings import default_names
from benchmark.data.source import VOID, Sample, Source
from benchmark.errors import InputError
from benchmark.label_subsets import MOST_LABELS, NO_LABEL, default_labels, subset_names

_EXAMPLE = "{0:[],128:[disc],255:[disc,cup]}"


class NestedLabels:
    """A data set whose classes 1 to K lie one within the other, as a cup in its disc: class k has the labels 1 to k.

    In the file an inner class hides the outer ones; as labels, the disc has the pixels of the cup, too.

    Raises:
        InputError: class 0 is not the background, or there are too many labels.
    """

    background: int | None = NO_LABEL

    def __init__(self, source: Source) -> None:
        if source.background != 0:
            raise InputError(f"data.overlapping=true: class 0 of {source.name} must be the background; set it so")
        unnamed = source.class_names == default_names(source.classes)
        labels = default_labels(source.classes - 1) if unnamed else source.class_names[1:]
        self.class_names = names_of_subsets(labels, "data.overlapping=true")
        self.classes = len(self.class_names)
        self.name, self.bits, self._source = source.name, source.bits, source
        self.why_empty: Mapping[str, str] = getattr(source, "why_empty", {})
        self.notes: Sequence[str] = getattr(source, "notes", ())
        self.splits_drawn: bool = getattr(source, "splits_drawn", False)
        self._subsets = np.full(VOID + 1, VOID, np.uint8)
        self._subsets[: source.classes] = [(1 << index) - 1 for index in range(source.classes)]

    def splits(self) -> dict[str, list[str]]:
        return self._source.splits()

    def read(self, split: str, id: str) -> Sample:
        sample = self._source.read(split, id)
        return sample._replace(mask=self._subsets[sample.mask])

    def fingerprint(self) -> str:
        """That of the data set; other masks of the same files have another name."""
        return f"{self._source.fingerprint()} nested"


def names_of_subsets(labels: Sequence[str], key: str) -> tuple[str, ...]:
    """Names of the classes that labels make. Raises InputError, naming `key`, for none, too many, or equal ones."""
    if not 1 <= len(labels) <= MOST_LABELS:
        raise InputError(f"{key}: gives {len(labels)} labels that overlap; 1 to {MOST_LABELS} are possible")
    if len(set(labels)) < len(labels):
        raise InputError(f"{key}: names a label twice ({', '.join(labels)}); give each its own name")
    return subset_names(labels)


def names_labels(encoding: object) -> TypeGuard[Mapping]:
    """Whether an encoding gives lists of labels in place of classes."""
    return isinstance(encoding, Mapping) and any(_is_list(value) for value in encoding.values())


def subset_encoding(
    encoding: Mapping, labels: Sequence[str] | None, key: str = "data.encoding"
) -> tuple[dict[object, int], tuple[str, ...]]:
    """From lists of labels to classes, one for each subset; and the names of all classes.

    Args:
        encoding: file value -> the labels of such a pixel, such as {0: [], 128: ["disc"], 255: ["disc", "cup"]}.
        labels: all of them, in their order; None: those of the encoding, in its order.
        key: its place in the configuration, for messages.

    Raises:
        InputError: a value is no list of labels, or too many labels.
    """
    for value, named in encoding.items():
        if not _is_list(named) or not all(isinstance(one, str) for one in named):
            raise InputError(f"{key}: {value} -> {named!r} is no list of labels; give lists throughout, as {_EXAMPLE}")
    order = tuple(labels or dict.fromkeys(label for named in encoding.values() for label in named))
    names = names_of_subsets(order, key)
    if unknown := [label for named in encoding.values() for label in named if label not in order]:
        raise InputError(f"{key}: {unknown[0]} is not among data.class_names={list(order)}; add it there")
    return {value: sum(1 << order.index(label) for label in set(named)) for value, named in encoding.items()}, names


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
