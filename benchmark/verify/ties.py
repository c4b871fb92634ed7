"""Predictions up to rounding: what a pixel may be where two classes tie as far as floating point can tell.

A row's predictions were made in a batch of another size, by other threads or on another device, whose sums round
otherwise. A pixel is undecided where further logits come within 2^9 machine epsilons (6e-5 in float32) of the largest
one, relative to the largest absolute logit of the image: on CPUs, different batches, threads and kernels part by up to
1e-5 of it. Whatever differs in more than such pixels is another prediction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.past_runs.mismatch import Interval

_ROOM = 2**9


def readings(logits: Tensor, references: Sequence[Tensor]) -> list[Tensor]:
    """The predictions (h, w) that logits (K, h, w) can be read as: first their argmax, alone if no pixel is undecided.

    The others decide all undecided pixels one way: for the lowest class, for the highest, for each of the `references`
    (h, w) where it ties, and against it. For two classes, and wherever no more than two tie, these hold the extremes of
    every count; of a score to a reference they hold the best and the worst.
    """
    preds = logits.argmax(0)
    finite = logits[logits.isfinite()]
    scale = finite.abs().max().item() if len(finite) else 0.0
    classes = torch.arange(len(logits)).view(-1, 1, 1)
    # Where logits are not finite nothing ties: comparisons with NaN are false.
    ties = (logits >= logits.amax(0) - _ROOM * torch.finfo(logits.dtype).eps * scale) | (classes == preds)
    if int(ties.sum()) == preds.numel():
        return [preds]
    lowest, highest = ties.int().argmax(0), len(logits) - 1 - ties.flip(0).int().argmax(0)
    bases = [preds, lowest, highest]
    found = list(bases)
    for reference in references:
        for_it = ties.gather(0, reference[None])[0]
        other = torch.where(lowest == reference, highest, lowest)
        for base in bases:
            found += [torch.where(for_it, reference, base), torch.where(base == reference, other, base)]
    return found


def spread(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns of several readings as one: the value they share, or `Between` their extremes."""
    return {name: _spread([columns[name] for columns in found]) for name in found[0]}


def _spread(values: Sequence[Any]) -> Any:
    if all(value == values[0] for value in values):
        return values[0]
    if isinstance(values[0], list):
        return Interval(
            [min(entries) for entries in zip(*values, strict=True)],
            [max(entries) for entries in zip(*values, strict=True)],
        )
    return Interval(min(values), max(values))
