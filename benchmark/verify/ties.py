"""Predictions up to rounding: the classes that a pixel may have where logits tie within the error of floating point.

The predictions of a row were made in a batch of another size, by other threads or on another device, where sums are
rounded differently. A pixel is undecided where several logits lie within 2^9 machine epsilons (6e-5 in float32) of the
largest one, relative to the largest absolute logit of the image. On CPUs, batch sizes, threads and kernels make a
difference of up to 1e-5 of it. Predictions that differ in other pixels are different predictions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.past_runs.mismatch import Interval

_EPSILONS = 2**9


def possible_predictions(logits: Tensor, references: Sequence[Tensor]) -> list[Tensor]:
    """The predictions (h, w) that rounding can make of logits (K, h, w): first their argmax, alone if no pixel is
    undecided.

    The others decide all undecided pixels in the same way: for the lowest class, for the highest, and for or against
    each of the `references` (h, w) where it ties. Where no more than two classes tie, the extremes of every count are
    among them. So are the best and the worst score to a reference.
    """
    preds = logits.argmax(0)
    finite = logits[logits.isfinite()]
    scale = finite.abs().max().item() if len(finite) else 0.0
    classes = torch.arange(len(logits)).view(-1, 1, 1)
    # Where logits are not finite nothing ties: comparisons with NaN are false.
    ties = (logits >= logits.amax(0) - _EPSILONS * torch.finfo(logits.dtype).eps * scale) | (classes == preds)
    if int(ties.sum()) == preds.numel():
        return [preds]
    lowest, highest = ties.int().argmax(0), len(logits) - 1 - ties.flip(0).int().argmax(0)
    predictions = bases = [preds, lowest, highest]
    for reference in references:
        chosen = ties.gather(0, reference[None])[0]
        other = torch.where(lowest == reference, highest, lowest)
        predictions = predictions + [torch.where(chosen, reference, base) for base in bases]
        predictions = predictions + [torch.where(base == reference, other, base) for base in bases]
    return predictions


def spread(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of several predictions as one: the value that they share, or the `Interval` of their extremes."""
    return {name: _spread([one[name] for one in columns]) for name in columns[0]}


def _spread(values: Sequence[Any]) -> Any:
    if all(value == values[0] for value in values):
        return values[0]
    if isinstance(values[0], list):
        entries = [_bounds(entry) for entry in zip(*values, strict=True)]
        return Interval([low for low, _ in entries], [high for _, high in entries])
    return Interval(min(values), max(values))


def _bounds(values: Sequence[Any]) -> tuple[Any, Any]:
    """The extremes of an entry; the lower one is None where a prediction lacks the class, the upper where all do."""
    known = [value for value in values if value is not None]
    return min(known) if len(known) == len(values) else None, max(known, default=None)
