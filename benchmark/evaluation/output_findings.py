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
_UNITS = {1.0: "", 100.0: " in percent", 255.0: " in 8 bits"}  # what stands for a probability of 1
_DIGITS = 0.005  # probabilities of two digits are off by so much
_FLOATS = 1e-4  # relative; sums of probabilities in another unit are off by less
_SURE = 0.25
_BOUNDS = {(0.0, 1.0): "probabilities", (-1.0, 1.0): "2p − 1, or a tanh,", (-0.5, 0.5): "p − 0.5", (-1.0, 0.0): "−p"}
# Sigmoids saturate: a hundredth of their outputs, and not the extremes alone, lies so near each end.
_LOW, _HIGH, _PART = 0.05, 0.9, 0.01
_NEAR = 0.02  # two numbers so near are the same end
_OVERSHOOT = 3  # width of the range of resized probabilities, relative to their sum; cubic polynomials reach 1.7
_LARGEST_LOGIT = 1e4  # from there on float32 values lie 1e-3 and more apart
_LEVELS = 64  # numbers of which nearly all logits are one; a network that sees single pixels of 8 bits has 256
_FEW = 16
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
        yield VictimFinding(
            name="nonfinite_logits",
            refused=True,
            what=f"{float((~finite).double().mean()):.1%} of the logits are not finite (limit 0): attacks fail",
            cure="look for an overflow or a division by zero in forward; write log_softmax in place of log(softmax)",
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
    """Sums of a unit, and outputs that saturate at 0 and a unit, refuse the victim; what is less certain is a doubt."""
    low, high = float(raw.min()), float(raw.max())
    if high == low:
        return
    doubtful: str | None = None
    total = float(raw.double().sum(1).mean())
    constant = _sums_are_exact(raw)
    if low < 0 and constant and high - low <= _OVERSHOOT * abs(total):
        # Resizing by cubic polynomials takes probabilities below 0 and above 1, and leaves their sum.
        summed = f"the outputs of every pixel have a constant sum of {total:.4g} and lie from {low:.3g} to {high:.3g}"
        if any(abs(total / unit - 1) <= _FLOATS for unit in _UNITS):
            yield _refused(f"{summed}, as resized probabilities do")
            return
        doubtful = summed
    if low >= 0:
        # Further away from 0 they are shifted logits, which antisymmetric ones may be.
        near = low < _SURE * high or high <= 1
        axis = next((name for name, axes in _AXES.items() if near and _sums_are_units(raw, axes)), None)
        unit = next((unit for unit in _UNITS if high <= unit and _saturates(raw, 0, unit)), None)
        if axis is not None or unit is not None:
            what = f"all outputs lie from {low:.3g} to {high:.3g}, as sigmoids{_UNITS.get(unit or 1, '')} do"
            if axis is not None:
                total = float(raw.double().sum(_AXES[axis]).mean())
                what = f"the outputs {axis} are at least 0 and have a constant sum of {total:.4g}"
            yield _refused(what)
            return
        if near and constant:
            doubtful = f"the outputs of every pixel lie from {low:.3g} to {high:.3g} and have a constant sum"
    for (start, end), name in _BOUNDS.items():
        if doubtful is None and start <= low and high <= end and (start == 0 or _saturates(raw, start, end)):
            doubtful = f"all outputs lie from {low:.3g} to {high:.3g}, as {name} do"
    if doubtful is None and _stays_near(raw, (0, 1)):
        doubtful = f"most outputs are 0 or 1, and all lie from {low:.3g} to {high:.3g}, as resized sigmoids do"
    if doubtful is not None:
        yield doubt(
            "perhaps_probabilities",
            f"{doubtful}; logits have no bounds, probabilities lie from 0 to 1",
            f"if they are made of probabilities, {_LOGITS}",
        )


def _refused(what: str) -> VictimFinding:
    said = f"the victim returns probabilities: {what}; logits have no bounds"
    cure = f"{_LOGITS}; around a file, by a factory as in docs/victim_check.md"
    return VictimFinding(name="probabilities", refused=True, what=said, cure=cure)


_AXES: dict[str, tuple[int, ...]] = {
    "of every pixel": (1,),
    "along columns": (2,),
    "along rows": (3,),
    "of every class and image": (2, 3),
}


def _saturates(raw: Tensor, start: float, end: float) -> bool:
    """Whether some of the outputs lie near each end of a range."""
    shares = (raw.double() - start) / (end - start)
    return all(float(near.double().mean()) >= _PART for near in (shares < _LOW, shares > _HIGH))


def _stays_near(raw: Tensor, ends: tuple[float, float]) -> bool:
    """Whether most outputs are one of two numbers, many each, and none lies far outside of them."""
    shares = [float(((raw - end).abs() < _NEAR).double().mean()) for end in ends]
    inside = ends[0] - 0.5 <= float(raw.min()) and float(raw.max()) <= ends[1] + 0.5
    return inside and min(shares) >= _PART and sum(shares) > 0.5


def _sums_are_units(raw: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether all sums over the axes are that of probabilities, rounded to two digits at worst."""
    sums, terms = raw.double().sum(axes), math.prod(raw.shape[axis] for axis in axes)
    off = min(float((sums / unit - 1).abs().max()) for unit in _UNITS)
    return off <= _DIGITS * min(terms, 4) and _sums_are_constant(raw, axes)


def _sums_are_exact(raw: Tensor) -> bool:
    """Whether the outputs of all pixels have one sum, whatever it is."""
    sums = raw.double().sum(1)
    off, size = float((sums - sums.mean()).abs().max()), abs(float(sums.mean()))
    # Logits that sum to 0, as those of a sigmoid made into two, are no probabilities.
    return off <= _FLOATS * size and size > _FLOATS * float(raw.abs().max()) and _sums_are_constant(raw, (1,))


def _sums_are_constant(raw: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether sums over the axes vary far less than those of independent values would."""
    count = math.prod(raw.shape[axis] for axis in axes)
    sums = raw.double().sum(axes)
    # A lone class has one sum for each image, and images may be mirrored ones of each other.
    if count == 1 or sums.numel() == 1 or (axes == (2, 3) and raw.shape[1] == 1):
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
        several = len(raw.unique()) > _FEW  # those of a constant network may be short by chance
        if several and raw.dtype != dtype and bool((raw.to(dtype).to(raw.dtype) == raw).all()):
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
            what = (
                f"at {at_ends:.1%} of the pixels all logits are the largest or smallest (limit {_AT_ENDS:.0%}), as "
                "logarithms are of probabilities that are exactly 0 or 1"
            )
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
    """The share of pixels all of whose values are the largest or smallest of their channel; 0 if it is constant.

    Logarithms of the softmax of large logits are 0 in one channel, and tell how sure the network is in the others.
    """
    low, high = values.amin((0, 2, 3), keepdim=True), values.amax((0, 2, 3), keepdim=True)
    return float((((values == low) | (values == high)) & (low < high)).all(1).double().mean())


def _counts(channel: Tensor) -> Tensor:
    """How often each value occurs; those that rounding alone tells apart are one."""
    low, high = channel.min(), channel.max()
    scaled = (channel - low).double() / float(high - low or 1) * 2**20
    return scaled.round().unique(return_counts=True)[1]
