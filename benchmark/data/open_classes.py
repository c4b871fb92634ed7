"""Classes of data that leave it to the victim how many there are and whether they are labels that overlap."""

from collections.abc import Sequence

from benchmark.data.encodings import check_classes
from benchmark.data.nested import names_of_subsets
from benchmark.data.source import Source
from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL, default_labels, label_count

_VICTIM = "the victim"


def declare_classes(source: Source, classes: int, *, overlapping: bool, wanted: bool) -> None:
    """Give a source the classes that a victim tells apart, with the names that the user has given, if any.

    Args:
        source: with `classes_open`; its `given_names` are the user's, of the classes or of the labels, or None.
        classes: their number; of labels that overlap that of their subsets.
        overlapping: whether the victim predicts labels that overlap.
        wanted: whether the user asks for such labels, by data.overlapping.

    Raises:
        InputError: too few or too many, a background that is none of them, or another number of names.
    """
    given: Sequence[str] | None = getattr(source, "given_names", None)
    if not overlapping:
        if wanted:
            raise InputError(
                "data.overlapping=true: the victim tells classes apart, which do not overlap; leave it out, or set "
                "victim.head=multilabel"
            )
        names = check_classes(classes, source.background, given, _VICTIM)
    else:
        if source.background not in (0, None):
            raise InputError(
                f"data.background={source.background}: the victim predicts labels that overlap, none of which is the "
                "background; leave it out"
            )
        names = _subsets(classes, given)
        source.background = NO_LABEL
    source.classes, source.class_names = classes, names


def _subsets(classes: int, given: Sequence[str] | None) -> tuple[str, ...]:
    try:
        labels = label_count(classes)
    except ValueError as error:
        raise InputError(f"victim.head=multilabel: {error}; take a network of so many logits") from error
    if given and len(given) != labels:
        raise InputError(f"data.class_names={list(given)}: names for {labels} labels are needed, as the victim has")
    return names_of_subsets(given or default_labels(labels), "data.class_names")
