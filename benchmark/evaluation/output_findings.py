"""Whether a victim's outputs are logits that floating-point numbers resolve."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmark.evaluation.victim_findings import VictimFinding, doubt
from benchmark.evaluation.victim_passes import Observations

# Spread of sums of outputs, relative to that of sums of independent values with the outputs' spread: probabilities
# rounded to two digits have .01, untrained networks about 1.
_SUMS = 0.05
_UNITS = (1.0, 100.0, 255.0)  # what stands for a probability of 1
_SURE = 0.25  # a sigmoid's outputs go nearer than this to 0 and to 1; what is in between may be logits of small size
_LARGEST_LOGIT = 1e4  # from there on float32 values lie 1e-3 and more apart
_LEVELS = 64  # numbers of which nearly all logits are one; a network that sees single pixels of 8 bits has 256
_NEARLY_ALL = 0.99
_AT_ENDS = 0.2  # share of logits that are exactly the largest or the smallest; without saturation there is one each

_LOGITS = "return what goes into the last softmax or sigmoid, or its logarithm (of one p: log p − log(1 − p))"


def output_findings(seen: Observations, classes: int) -> Iterator[VictimFinding]:
    """All findings about the numbers that the victim returns for data of so many classes."""
    raw, images = seen.raw[: seen.given], seen.images[: seen.given]
    yield from _class_count(seen.outputs, classes)
    if raw.dtype != seen.dtype:
        yield doubt(
            "dtype",
            f"the victim returns {raw.dtype} for images of {seen.dtype} (limit: the same)",
            "leave out .half(), .float(), .double() and autocast in forward; engine.precision says what passes run in",
        )
    finite = raw.isfinite()
    if not bool(finite.all()):
        yield doubt(
            "nonfinite_logits",
            f"{float((~finite).double().mean()):.1%} of the logits are not finite (limit 0)",
            "look for an overflow or a division by zero in forward; write log_softmax in place of log(softmax)",
        )
        return
    probabilities = list(_probabilities(raw))
    yield from probabilities
    if not any(finding.refused for finding in probabilities):
        yield from _large(raw)
        yield from _coarse(raw, images)


def _class_count(outputs: int, classes: int) -> Iterator[VictimFinding]:
    if outputs > classes:
        yield doubt(
            "more_classes",
            f"the victim tells {outputs} classes apart, the data have {classes}",
            "its further classes count as wrong; set data.classes, or return the logits of the data's classes alone",
        )


def _probabilities(raw: Tensor) -> Iterator[VictimFinding]:
    """Outputs ≥ 0 with a constant sum, in any unit, along any axis; and outputs of sigmoids, within [0, unit]."""
    low, high = float(raw.min()), float(raw.max())
    if low < 0 or high == low:
        return
    # Further away from 0 they are shifted logits, which antisymmetric ones may be.
    near = low < _SURE * high or high <= 1
    axis = next((name for name, axes in _AXES.items() if near and _sums_are_constant(raw, axes)), None)
    unit = next((unit for unit in _UNITS if high <= unit), None)
    if axis is not None:
        what = f"the outputs {axis} are at least 0 and have a constant sum of {float(raw.sum(_AXES[axis]).mean()):.4g}"
    elif unit is not None and low < _SURE * unit and high > (1 - _SURE) * unit:
        what = f"all outputs lie from {low:.3g} to {high:.3g}, as probabilities do that are written in 1/{unit:g}"
    elif unit == 1:
        yield doubt(
            "perhaps_probabilities",
            f"all outputs lie from {low:.3g} to {high:.3g}; logits have no bounds, probabilities lie from 0 to 1",
            f"if they are probabilities, {_LOGITS}",
        )
        return
    else:
        return
    yield VictimFinding(
        name="probabilities",
        refused=True,
        what=f"the victim returns probabilities: {what}; logits have no bounds",
        cure=_LOGITS,
    )


_AXES: dict[str, tuple[int, ...]] = {
    "of every pixel": (1,),
    "along columns": (2,),
    "along rows": (3,),
    "of every class and image": (2, 3),
}


def _sums_are_constant(raw: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether sums over the axes vary far less than those of independent values would."""
    count = math.prod(raw.shape[axis] for axis in axes)
    sums = raw.double().sum(axes)
    # A lone class has one sum for each image, and images may be mirrored ones of each other.
    if count == 1 or (axes == (2, 3) and raw.shape[1] == 1):
        return False
    return float(sums.std()) <= _SUMS * float(raw.double().std()) * math.sqrt(count)


def _large(raw: Tensor) -> Iterator[VictimFinding]:
    """Logits, or differences of them, so large that losses have no gradient in float32."""
    highest = float(raw.abs().max())
    top = raw.topk(2, dim=1).values if raw.shape[1] > 1 else torch.cat([raw.abs(), torch.zeros_like(raw)], 1)
    # From there on the smaller probability is 0, and so is the gradient of cross-entropy.
    limit = -math.log(torch.finfo(raw.dtype).smallest_normal)
    share = float((top[:, 0] - top[:, 1] > limit).double().mean())
    if highest > _LARGEST_LOGIT or share > 0.5:
        yield doubt(
            "large_logits",
            f"logits reach {highest:.3g} (limit {_LARGEST_LOGIT:g}), and at {share:.1%} of the pixels two classes lie "
            f"more than {limit:.0f} apart (limit 50%), where cross-entropy has no gradient",
            "return logits before they are scaled",
        )


def _coarse(raw: Tensor, images: Tensor) -> Iterator[VictimFinding]:
    """Logits that are few different numbers, or those of a smaller type, while images are not."""
    for name, dtype in (("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        if raw.dtype != dtype and bool((raw.to(dtype).to(raw.dtype) == raw).all()):
            what = f"every logit is a {name} number, which hides small changes"
            break
    else:
        levels, others = _levels(raw), _levels(images)
        at_ends, flat = _at_ends(raw), _commonest(images)
        if levels < _LEVELS and others >= 4 * levels:
            what = (
                f"{_NEARLY_ALL:.0%} of the logits are one of {levels} numbers (limit {_LEVELS}), the images' values "
                f"one of {others}"
            )
        elif at_ends > _AT_ENDS and flat < at_ends / 2:
            what = f"{at_ends:.1%} of the logits are the largest or the smallest of all (limit {_AT_ENDS:.0%})"
        else:
            return
    yield doubt(
        "coarse_logits",
        f"the victim's outputs are rounded or saturated: {what}",
        "leave out rounding, clamping and bounded functions after the last layer, and autocast in forward",
    )


def _levels(values: Tensor) -> int:
    """How many different numbers make up nearly all of the values (n, ., h, w), in the channel that has most."""
    most = 0
    for channel in values.unbind(1):
        counts = _counts(channel).sort(descending=True).values
        most = max(most, int((counts.cumsum(0) < _NEARLY_ALL * channel.numel()).sum()) + 1)
    return most


def _commonest(values: Tensor) -> float:
    """The share of the commonest value among all of a channel, in the channel where it is largest."""
    return max(float(_counts(channel).max()) / channel.numel() for channel in values.unbind(1))


def _at_ends(values: Tensor) -> float:
    """The share of values that are the largest or the smallest of their channel; 0 for a constant channel."""
    low, high = values.amin((0, 2, 3), keepdim=True), values.amax((0, 2, 3), keepdim=True)
    return float((((values == low) | (values == high)) & (low < high)).double().mean())


def _counts(channel: Tensor) -> Tensor:
    """How often each value occurs; those that rounding alone tells apart are one."""
    low, high = channel.min(), channel.max()
    scaled = (channel - low).double() / float(high - low or 1) * 2**20
    return scaled.round().unique(return_counts=True)[1]
