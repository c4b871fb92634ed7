"""ASMA's multipliers found image by image while it is attacked: what `ASMA(scale="auto")` does, see there."""

from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, norms

FIRST_STEP = 0.25 / 255
"""Root mean square of the first update."""
BETA_PER_TAU = 10.0
"""β/τ, as published."""
ROUNDS = 3
"""How many rounds of falling τ fill the steps of an image that does not reach its target."""
FALL = 0.1
"""To which part of what it began with τ falls in a round."""
RAISE = 1.25
"""By how much a step raises τ when a later round begins."""
RAISES = 20
"""How many steps at most do."""
SHAKEN = 0.5
"""Which loss of IoU, as a part of what the image lacked when the round began, ends that."""
CALMER = 0.5
"""With which part of the τ before an image that has succeeded begins anew; its round is longer by 1/CALMER."""
GAIN = 0.95
"""At which part of the smallest norm of a success a later try is given up."""


class CalibratedStep(NamedTuple):
    """What calibration makes of one step.

    Attributes:
        tau: (B,) float64, τ_n.
        first: (B,) bool, whether it is the first step of a try, which leaves the clean image.
        points: (B, C, H, W), from where it goes.
        gradient: (B, C, H, W), along which it goes.
    """

    tau: Tensor
    first: Tensor
    points: Tensor
    gradient: Tensor


def start(batch: Batch) -> None:
    """Make the state that `scaled` needs."""
    zeros, none = torch.zeros_like(batch.steps, dtype=torch.float64), torch.zeros_like(batch.steps)
    batch.state |= {
        **{"top_tau": zeros, "round_iou": zeros, "raises": none},
        **{"tries": none, "begun": none, "smallest": batch.best_norm, "clean_gradient": batch.images},
    }


def scaled(gradient: Tensor, overlap: Tensor, batch: Batch) -> CalibratedStep:
    """Calibrate a step, given J's gradient (B, C, H, W) and the IoU (B,) float64 at the iterates."""
    state = batch.state
    fresh, again = batch.steps == 0, batch.best_norm < state["smallest"]
    tries, begun = state["tries"] + again, torch.where(again, batch.steps, state["begun"])
    # Where no step is allowed τ is still asked for. As floats, because tries without end are possible.
    length = max(1, batch.max_steps) * CALMER ** -tries.double()
    part = ROUNDS * (batch.steps - begun)
    begins = (tries == 0) & ~fresh & (part % length < ROUNDS)
    began = torch.where(begins, overlap, state["round_iou"])
    raises = state["raises"].masked_fill((tries > 0) | (overlap < began - SHAKEN * (1 - began)), 0)
    top = torch.where((raises > 0) & ~begins, RAISE * state["top_tau"], state["top_tau"])
    top = torch.where(again, CALMER * top, torch.where(fresh, _first(gradient), top))
    clean = torch.where(_wide(fresh), gradient, state["clean_gradient"])
    batch.state = state | {
        **{"top_tau": top, "round_iou": began, "raises": (raises - 1).clamp(min=0).masked_fill(begins, RAISES)},
        **{"tries": tries, "begun": begun, "smallest": batch.best_norm, "clean_gradient": clean},
    }
    outgrown = norms(batch.iterates - batch.images, 2) >= GAIN * batch.best_norm
    batch.done = (tries > 0) & ~again & (outgrown | (part + ROUNDS >= length))
    points = torch.where(_wide(again), batch.images, batch.iterates)
    return CalibratedStep(
        top * FALL ** (part % length / length), fresh | again, points, torch.where(_wide(again), clean, gradient)
    )


def _first(gradient: Tensor) -> Tensor:
    """τ_0 (B,) float64; 0 where the gradient (B, C, H, W) is, because no multiplier would help."""
    length = torch.linalg.vector_norm(gradient.flatten(1), dim=1, dtype=torch.float64)
    return (FIRST_STEP * gradient[0].numel() ** 0.5 / length).masked_fill(length == 0, 0)


def _wide(images: Tensor) -> Tensor:
    return images.view(-1, 1, 1, 1)
