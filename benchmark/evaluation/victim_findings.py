"""What is wrong or doubtful about a victim as a function of images, each with its value, the limit, and the cure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from benchmark.evaluation.victim_passes import Observations
from benchmark.model_errors import PROGRAM_IN_FLOAT

_ZEROS = 0.8  # share of zeros among the values of a gradient; a median of 3 × 3 in front of a network leaves .35
_RISE = 0.02  # of what a gradient says; .08 with a JPEG in front of a network, .16 and more without
_RISING = 0.75  # share of images
_HIDDEN = "the victim may hide its gradient: attacks without gradients, or through a smooth copy, say more"
_AGREEMENT = 0.5  # share of the places with a gradient in some image that have one in all

REFUSING = ("probabilities", "batch_dependence", "no_gradient", "nonfinite_logits")
"""The findings that refuse a victim, unless `victim.allow` names them; all others are doubts."""


@dataclass(frozen=True, kw_only=True)
class VictimFinding:
    """One thing that is wrong or doubtful.

    Attributes:
        name: what `victim.allow` calls it.
        refused: whether the victim is not attacked, unless `victim.allow` names the finding.
        what: the finding, with its value and the limit.
        cure: what to do about it.
    """

    name: str
    refused: bool
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.what}; {self.cure}"

    def plain(self) -> dict[str, Any]:
        """As environment.json holds it."""
        return {"name": self.name, "refused": self.refused, "what": self.what, "cure": self.cure}


def doubt(name: str, what: str, cure: str) -> VictimFinding:
    """A finding that does not keep the victim from being attacked."""
    return VictimFinding(name=name, refused=False, what=what, cure=cure)


def function_findings(seen: Observations) -> Iterator[VictimFinding]:
    """Whether the victim is a function of one image, and one with a gradient."""
    found = list(_repeats(seen) if seen.rounding.differ(seen.raw, seen.again) else _batch_dependence(seen))
    yield from found
    if seen.draws and not found:
        yield _randomness("its passes draw random numbers, though the same images gave the same logits here")
    yield from _gradient(seen)
    if seen.changed:
        some = ", ".join(seen.changed[:3]) + (" and others" if len(seen.changed) > 3 else "")
        yield doubt(
            "changing_state",
            f"a pass changes {len(seen.changed)} parameters or buffers of the victim ({some}; limit 0)",
            "call .eval(), and keep batch norms from tracking in forward",
        )
    if seen.overwrites:
        yield doubt(
            "overwritten_images",
            "the victim changes the images that it is given; it is given copies",
            "write x = x - mean in place of x -= mean",
        )


def _repeats(seen: Observations) -> Iterator[VictimFinding]:
    """Why the same images give other logits where a gradient is wanted."""
    rounding = seen.rounding
    same_again = seen.repeated is not None and not rounding.differ(seen.raw, seen.repeated[1])
    if same_again and seen.draws:
        yield _randomness(_seen_twice(seen, seen.again))
        return
    by_gradient = seen.first is None or seen.others is None
    if seen.first is not None and seen.others is not None:
        later = rounding.part(slice(-len(seen.others), None))
        by_gradient = (
            not rounding.part(slice(1)).differ(seen.first, seen.raw[:1])
            and later.differ(seen.others, seen.raw[-len(seen.others) :])
            and not later.differ(seen.others, seen.again[-len(seen.others) :])
        )
    if same_again and by_gradient:
        what = f"the victim computes something else where a gradient is wanted: {_seen_twice(seen, seen.again)}"
        yield doubt("gradient_mode", what, "let forward not ask for requires_grad, is_grad_enabled() or the like")
    else:
        yield _drift(_seen_twice(seen, seen.again))


def _randomness(seen: str) -> VictimFinding:
    cure = "switch dropout and noise off in eval mode; attacks on a random victim need expectations over passes"
    return doubt("randomness", f"the victim is random: {seen}", cure)


def _seen_twice(seen: Observations, other: Tensor) -> str:
    distance, limit, labels = seen.rounding.difference(seen.raw, other)
    return (
        f"the same images again give other logits (relative difference {distance:.2g}, limit {limit:.2g}; "
        f"{labels:.1%} of the pixels have another class)"
    )


def _drift(seen_twice: str) -> VictimFinding:
    what = f"the victim keeps a state from pass to pass, or is random by a generator of its own: {seen_twice}"
    return doubt("drift", what, "let forward depend on its images alone")


def _batch_dependence(seen: Observations) -> Iterator[VictimFinding]:
    """Whether an image has other logits alone, or elsewhere, that an identical pass shows again."""
    if seen.first is None or seen.others is None or seen.repeated is None:
        return
    within = {"first": slice(1), "others": slice(-len(seen.others), None), "raw": slice(None)}
    before = {"first": seen.first, "others": seen.others, "raw": seen.raw}
    name, again = seen.repeated
    rounding = seen.rounding.part(within[name])
    if rounding.differ(before[name], again):
        distance, limit, _ = rounding.difference(before[name], again)
        twice = f"a pass that was made twice gives other logits (relative difference {distance:.2g}, limit {limit:.2g})"
        yield _randomness(twice) if seen.draws else _drift(twice)
        return
    pairs = [(before[name], seen.raw[within[name]], within[name]) for name in ("first", "others")]
    found = [seen.rounding.part(images).difference(logits, others) for logits, others, images in pairs]
    distance, limit, labels = max(found, key=lambda one: one[0] / one[1] if one[1] else float("inf"))
    if seen.draws:  # what chance does now and then cannot be told from what the batch does
        yield _randomness(
            "its passes draw random numbers, and an image alone has other logits than in a batch (relative difference "
            f"{distance:.2g}, limit {limit:.2g})"
        )
        return
    yield VictimFinding(
        name="batch_dependence",
        refused=True,
        what=f"the victim's prediction of an image depends on the others in the batch, its place or its size "
        f"(relative difference {distance:.2g}, limit {limit:.2g}; {labels:.1%} of the pixels have another class)",
        cure="normalise with running statistics, or image by image; engine.slots=1 attacks each image alone",
    )


def _gradient(seen: Observations) -> Iterator[VictimFinding]:
    cure = "leave out .detach(), torch.no_grad(), rounding and argmax in forward"
    if seen.program:
        cure = PROGRAM_IN_FLOAT
    if seen.gradient is None:
        only = f"{cure}; attacks that need gradients fail on it"
        yield VictimFinding(name="no_gradient", refused=True, what="the victim's outputs have no gradient", cure=only)
        return
    gradient = seen.gradient[: seen.given]
    finite = gradient.isfinite()
    if not bool(finite.all()):
        images = int((~finite).flatten(1).any(1).sum())
        yield doubt(
            "nonfinite_gradient",
            f"the gradient is not finite in {images} of {len(gradient)} images "
            f"({float((~finite).double().mean()):.1%} of the values; limit 0)",
            "look for a division by zero, a square root or logarithm of zero, or an overflow in forward",
        )
    zero = gradient == 0
    images = int(zero.flatten(1).all(1).sum())
    if images == len(gradient):
        what = f"the victim's gradient is zero in all {len(gradient)} images that were tried"
        yield VictimFinding(name="no_gradient", refused=True, what=what, cure=cure)
        return
    # A network that skips pixels or channels, as one does that halves its input, has its zeros at the same places.
    share, places = float(zero.double().mean()), ~zero
    agreement = float(places.all(0).sum() / places.any(0).sum())
    if images or (share > _ZEROS and agreement < _AGREEMENT):
        yield doubt(
            "zero_gradient",
            f"the gradient is zero in {share:.1%} of the values (limit {_ZEROS:.0%}) and in all of {images} of "
            f"{len(gradient)} images (limit 0)",
            _HIDDEN,
        )
    elif seen.step is not None and seen.step.changed:
        what = f"the outputs change where the gradient is zero, which it is in {share:.1%} of the values"
        yield doubt("zero_gradient", what, _HIDDEN)
    yield from _false_gradient(seen)


def _false_gradient(seen: Observations) -> Iterator[VictimFinding]:
    """Whether a step along the gradient raises what it is the gradient of."""
    if seen.step is None:
        return
    # Networks that divide by an image's spread are no smooth functions near one that has none.
    spread = (seen.images.amax((2, 3)) > seen.images.amin((2, 3))).any(1)
    followed = ~seen.step.moved_elsewhere & (seen.step.expected > 0) & spread
    if not bool(followed.any()):
        return
    ratios = seen.step.found[followed] / seen.step.expected[followed]
    rising = (ratios > _RISE) & (ratios < 1 / _RISE)
    if float(rising.double().mean()) < _RISING:
        low, high = float(ratios.min()), float(ratios.max())
        yield doubt(
            "false_gradient",
            f"the gradient is not that of the outputs: a step along it changes them by {low:.2g} to {high:.2g} times "
            f"what it says (limits {_RISE:g} and {1 / _RISE:g}) in {len(ratios)} images, {int(rising.sum())} within",
            _HIDDEN,
        )
