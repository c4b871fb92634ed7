"""What is wrong or doubtful about a victim, each with its value, the limit, and the cure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_ROUNDING = 1e-3  # relative difference of logits that kernels and reduced precision explain
_SUMS = 1e-3  # relative spread of what the outputs of a pixel add up to, for outputs that are probabilities
_LARGEST_LOGIT = 1e4  # from there on float32 values lie 1e-3 and more apart
_ZEROS = 0.5  # share of the values of a gradient that may be zero

REFUSING = ("probabilities", "batch_dependence", "no_gradient")
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


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the passes of a check have given; n images, of which the first and the last were predicted alone, too.

    Attributes:
        images: (n, C, H, W) in [0, 1].
        raw: (n, K, h, w), the model's own outputs, before a one-logit head becomes two.
        again: (n, K, h, w), of the same images once more.
        first, last: (1, K, h, w), of these images alone.
        gradient: (n, C, H, W), of a fixed random combination of the outputs; None: the outputs have none.
        changed: names of parameters and buffers that a pass has changed.
        overwrites: whether a pass has changed the images it was given.
        preds: (n, h, w), the predicted classes.
        classes: number of classes of the data.
    """

    images: Tensor
    raw: Tensor
    again: Tensor
    first: Tensor
    last: Tensor
    gradient: Tensor | None
    changed: Sequence[str]
    overwrites: bool
    preds: Tensor
    classes: int


def findings(seen: Observations) -> list[VictimFinding]:
    """All findings about a victim, those that refuse it first."""
    found = [
        *_probabilities(seen.raw),
        *_randomness(seen),
        *_batch_dependence(seen),
        *_gradient(seen.gradient),
        *_state(seen),
        *_values(seen),
    ]
    return sorted(found, key=lambda finding: not finding.refused)


def _probabilities(raw: Tensor) -> Iterator[VictimFinding]:
    """Outputs ≥ 0 with a constant sum, in any unit; and outputs of independent sigmoids, all within [0, 1]."""
    if not bool(raw.isfinite().all()) or float(raw.min()) < 0:
        return
    sums, highest = raw.sum(1), float(raw.max())
    total = float(sums.mean())
    if raw.shape[1] > 1 and total > 0 and float((sums - total).abs().max()) <= _SUMS * total:
        what = f"the outputs of every pixel are at least 0 and sum to {total:.4g}"
    elif highest <= 1 and float(raw.max() - raw.min()) > 0:
        what = f"all outputs lie from {float(raw.min()):.3g} to {highest:.3g}"
    else:
        return
    yield VictimFinding(
        name="probabilities",
        refused=True,
        what=f"the victim returns probabilities: {what}; logits have no bounds",
        cure="return what goes into the last softmax or sigmoid, or its logarithm (of one p: log p − log(1 − p))",
    )


def _randomness(seen: Observations) -> Iterator[VictimFinding]:
    distance, labels = _difference(seen.raw, seen.again)
    if distance > _ROUNDING:
        yield VictimFinding(
            name="randomness",
            refused=False,
            what=f"the victim is random or keeps a state: the same images again give other logits (relative difference "
            f"{distance:.2g}, limit {_ROUNDING:g}; {labels:.1%} of the pixels have another class)",
            cure="switch dropout and noise off in eval mode; attacks on a random victim need expectations over passes",
        )


def _batch_dependence(seen: Observations) -> Iterator[VictimFinding]:
    if _difference(seen.raw, seen.again)[0] > _ROUNDING:
        return  # it would be mistaken for one
    pairs = [(seen.first, seen.raw[:1]), (seen.last, seen.raw[-1:])]
    distance, labels = map(max, zip(*(_difference(alone, beside) for alone, beside in pairs), strict=True))
    if distance > _ROUNDING:
        yield VictimFinding(
            name="batch_dependence",
            refused=True,
            what=f"the victim's prediction of an image depends on the others in the batch (relative difference "
            f"{distance:.2g}, limit {_ROUNDING:g}; {labels:.1%} of the pixels have another class)",
            cure="normalise with running statistics, or image by image; engine.slots=1 attacks each image alone",
        )


def _gradient(gradient: Tensor | None) -> Iterator[VictimFinding]:
    cure = "leave out .detach(), torch.no_grad(), rounding and argmax in forward"
    if gradient is None:
        yield VictimFinding(name="no_gradient", refused=True, what="the victim's outputs have no gradient", cure=cure)
        return
    finite = gradient.isfinite()
    if not bool(finite.all()):
        images = int((~finite).flatten(1).any(1).sum())
        yield VictimFinding(
            name="nonfinite_gradient",
            refused=False,
            what=f"the gradient is not finite in {images} of {len(gradient)} images "
            f"({float((~finite).double().mean()):.1%} of the values; limit 0)",
            cure="look for a division by zero, a square root or logarithm of zero, or an overflow in forward",
        )
    zero = gradient == 0
    if bool(zero.all()):
        what = f"the victim's gradient is zero in all {len(gradient)} images that were tried"
        yield VictimFinding(name="no_gradient", refused=True, what=what, cure=cure)
        return
    share, images = float(zero.double().mean()), int(zero.flatten(1).all(1).sum())
    if share > _ZEROS or images:
        yield VictimFinding(
            name="zero_gradient",
            refused=False,
            what=f"the gradient is zero in {share:.1%} of the values (limit {_ZEROS:.0%}) and all of {images} "
            f"of {len(gradient)} images",
            cure="the victim may hide its gradient: attacks without gradients, or through a smooth copy, say more",
        )


def _state(seen: Observations) -> Iterator[VictimFinding]:
    if seen.changed:
        some = ", ".join(seen.changed[:3]) + (" and others" if len(seen.changed) > 3 else "")
        yield VictimFinding(
            name="changing_state",
            refused=False,
            what=f"a pass changes {len(seen.changed)} parameters or buffers of the victim ({some}; limit 0)",
            cure="call .eval(), and keep batch norms from tracking in forward",
        )
    if seen.overwrites:
        yield VictimFinding(
            name="overwritten_images",
            refused=False,
            what="the victim changes the images that it is given; it is given copies",
            cure="write x = x - mean in place of x -= mean",
        )


def _values(seen: Observations) -> Iterator[VictimFinding]:
    finite = seen.raw.isfinite()
    if not bool(finite.all()):
        yield VictimFinding(
            name="nonfinite_logits",
            refused=False,
            what=f"{float((~finite).double().mean()):.1%} of the logits are not finite (limit 0)",
            cure="look for an overflow or a division by zero in forward",
        )
    elif (highest := float(seen.raw.abs().max())) > _LARGEST_LOGIT:
        yield VictimFinding(
            name="large_logits",
            refused=False,
            what=f"logits reach {highest:.3g} (limit {_LARGEST_LOGIT:g}); float32 cannot resolve small changes",
            cure="return logits before they are scaled",
        )
    if int(seen.preds.min()) == int(seen.preds.max()):
        yield VictimFinding(
            name="constant_prediction",
            refused=False,
            what=f"the victim predicts class {int(seen.preds.min())} at every pixel of {len(seen.preds)} images",
            cure="check its weights and its normalisation",
        )


def _difference(logits: Tensor, others: Tensor) -> tuple[float, float]:
    """The largest difference relative to the largest logit, and the share of pixels whose class differs."""
    logits, others = logits.double().nan_to_num(), others.double().nan_to_num()
    scale = float(torch.maximum(logits.abs().max(), others.abs().max())) or 1.0
    distance = float((logits - others).abs().max()) / scale
    preds, other_preds = (t[:, 0] > 0 if t.shape[1] == 1 else t.argmax(1) for t in (logits, others))
    differing = preds != other_preds
    return distance, float(differing.double().mean())
