"""Labels that may overlap, such as optic disc and cup, as classes: each subset of K labels is a class.

Bit k of the number of a class says that label k is in the subset; class 0 is the subset without labels. K independent
sigmoids of logits z are exactly a softmax over these 2^K classes with logits Σ ±z_k / 2, + where the subset has label
k: see `metrics.subset_logits`. So everything that works with classes works with labels, and only scores ask which
labels a class has.
"""

from collections.abc import Sequence

MOST_LABELS = 6  # 64 classes, whose logits and confusion tables are in memory for every image


class NoLabel(int):
    """Class 0 where classes are subsets of labels that overlap; see `NO_LABEL`."""


NO_LABEL = NoLabel(0)
"""The `background` of classes that are subsets: as an index it is 0, and to `metrics` and the judge it says that scores
are of labels, not of classes."""


def are_subsets(background: int | None) -> bool:
    """Whether the classes with this background are subsets of labels."""
    return isinstance(background, NoLabel)


def label_count(classes: int) -> int:
    """K of 2^K classes. Raises ValueError for another number of classes."""
    labels = classes.bit_length() - 1
    if classes != 1 << labels or not 1 <= labels <= MOST_LABELS:
        raise ValueError(f"{classes} classes are not the subsets of 1 to {MOST_LABELS} labels")
    return labels


def membership(classes: int) -> list[list[int]]:
    """Rows of 0 and 1, one per class, one value per label: whether the subset has the label."""
    labels = range(label_count(classes))
    return [[subset >> label & 1 for label in labels] for subset in range(classes)]


def subset_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Names of all subsets of named labels, in the order of their numbers: "no label", "disc", "cup", "disc + cup"."""
    subsets = membership(1 << len(labels))
    named = (" + ".join(label for label, has in zip(labels, row, strict=True) if has) for row in subsets)
    return tuple(name or "no label" for name in named)


def default_labels(count: int) -> tuple[str, ...]:
    """Names of labels that nobody has named: "label 0", as configurations count them, and so on."""
    return tuple(f"label {label}" for label in range(count))


def scored_names(class_names: Sequence[str], background: int | None) -> tuple[str, ...]:
    """The names of what scores are of: the labels if classes are subsets of them, else the classes."""
    if not are_subsets(background):
        return tuple(class_names)
    return tuple(class_names[1 << label] for label in range(label_count(len(class_names))))
