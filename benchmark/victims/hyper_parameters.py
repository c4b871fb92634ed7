"""Checks and defaults of a victim's hyper-parameters."""

import math
from collections.abc import Sequence
from typing import Any

from benchmark.errors import InputError
from benchmark.label_subsets import label_count

MULTILABEL = "multilabel"
HEADS = ("softmax", "sigmoid", MULTILABEL)
SCHEDULES = ("one_cycle", "cosine", "none")

_MOST_CLASSES = 255  # label maps have 8 bits, and one value means that a pixel does not count
_MOST_CHANNELS = 64
_LARGEST_SIDE = 8192  # pixels

_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def normalisation(
    mean: Sequence[float] | float | None, std: Sequence[float] | float | None, channels: int, *, adapted: bool
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, on the [0, 1] scale: those given, else the defaults of `Victim`.

    One number is that of all channels.
    `adapted` says whether an adapter makes the network, which then takes images as they are.

    Raises:
        InputError: values that are no numbers, another number of them than channels, or a standard deviation that is
            not positive.
    """
    if type(channels) is not int or not 1 <= channels <= _MOST_CHANNELS:
        raise InputError(f"channels={channels!r}: a victim takes 1 to {_MOST_CHANNELS}")
    if adapted:
        default_mean, default_std = [0.0] * channels, [1.0] * channels
    elif channels == 3:
        default_mean, default_std = _IMAGENET_MEAN, _IMAGENET_STD
    else:
        default_mean = default_std = [0.5] * channels
    means = _per_channel("mean", default_mean if mean is None else mean, channels)
    stds = _per_channel("std", default_std if std is None else std, channels)
    for name, values in (("mean", means), ("std", stds)):
        if len(values) != channels:
            raise InputError(
                f"victim.{name} has {len(values)} values, the images {channels} channels; give one per channel"
            )
    if not all(value > 0 for value in stds):
        raise InputError(f"victim.std={stds} must be positive")
    return means, stds


def _per_channel(name: str, values: object, channels: int) -> list[float]:
    if isinstance(values, int | float) and not isinstance(values, bool):
        values = [values] * channels
    numbers: list[Any] = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [None]
    if not all(isinstance(one, int | float) and math.isfinite(one) and not isinstance(one, bool) for one in numbers):
        form = f"[{','.join(['.5'] * channels)}]"
        raise InputError(
            f"victim.{name}={values}: must be one number, or one per channel, such as victim.{name}={form}"
        )
    return [float(number) for number in numbers]


def check_outputs(classes: int, head: str, background: int | None) -> None:
    """Raise InputError for classes, a head and a background that do not go together."""
    if not isinstance(classes, int) or classes > _MOST_CLASSES:
        raise InputError(f"classes={classes!r}: label maps tell at most {_MOST_CLASSES} classes apart")
    if classes < 2:
        raise InputError(f"a victim needs at least 2 classes, found {classes}; count the background as one")
    if head not in HEADS:
        raise InputError(f"victim.head={head!r} is unknown; use one of {', '.join(HEADS)}")
    if head == "sigmoid" and classes != 2:
        raise InputError(f"victim.head=sigmoid tells 2 classes apart, the data have {classes}; use victim.head=softmax")
    if head == "multilabel":
        try:
            label_count(classes)
        except ValueError as error:
            raise InputError(f"victim.head=multilabel: {error}; use data whose labels overlap") from error
        if background != 0:
            raise InputError(f"victim.head=multilabel: background={background}: class 0 is the subset without labels")
    if background is not None and not 0 <= background < classes:
        raise InputError(f"background={background} is not one of {classes} classes; use 0 to {classes - 1} or null")


def check_head(head: object, overlapping: bool, place: str) -> None:
    """Raise InputError, naming `place`, unless the head is made for such data: with labels that overlap, or not."""
    if (head == "multilabel") == overlapping:
        return
    if overlapping:
        raise InputError(
            f"{place}: {head} tells classes apart, the labels of the data overlap; use a multilabel head, "
            "victim.head=multilabel"
        )
    raise InputError(
        f"{place}: multilabel predicts labels that overlap, the data have classes; of data=folder list the labels of "
        "each mask value, such as 'data.encoding={0:[],128:[disc],255:[disc,cup]}'; where declared classes lie one "
        "within the other, set data.overlapping=true; with data.labels=predicted leave data.classes out"
    )


def output_count(classes: int, head: str) -> int:
    """How many logits per pixel a network of this head has: one per class, or per label of a multilabel head, or 1."""
    return {"softmax": classes, "sigmoid": 1, "multilabel": classes.bit_length() - 1}[head]


def class_count(outputs: int, head: str) -> int:
    """How many classes a network of this head with so many logits per pixel tells apart."""
    return {"softmax": outputs, "sigmoid": 2, "multilabel": 2**outputs}[head]


def check_padding(stride: int | None, input_size: int | None) -> None:
    """Raise InputError for a number of pixels that no image can be padded to."""
    for name, value in (("stride", stride), ("input_size", input_size)):
        if value is not None and not (type(value) is int and 1 <= value <= _LARGEST_SIDE):
            raise InputError(f"victim.{name}={value!r} must be at least 1 and at most {_LARGEST_SIDE}, or null")


def check_training(learning_rate: float, weight_decay: float, schedule: str) -> None:
    """Raise InputError for a value that no training can use."""
    if not learning_rate > 0:
        raise InputError(f"victim.learning_rate={learning_rate} must be positive")
    if not weight_decay >= 0:
        raise InputError(f"victim.weight_decay={weight_decay} must not be negative")
    if schedule not in SCHEDULES:
        raise InputError(f"victim.schedule={schedule!r} is unknown; use one of {', '.join(SCHEDULES)}")
