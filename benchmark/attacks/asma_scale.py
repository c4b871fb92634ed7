"""The multipliers of `ASMA(scale="auto")`, computed for each image while it is attacked; `ASMA` describes them."""

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, norms, unsqueeze_like

FIRST_STEP = 0.25 / 255  # root mean square of the first update
BETA_PER_TAU = 10.0  # β/τ, as published
ROUNDS = 3  # of falling τ, which fill the steps of an image that does not reach its target
FALL = 0.1  # τ at the end of a round, relative to the beginning
RAISE = 1.25  # factor by which a step raises τ at the beginning of a later round
RAISES = 20  # the most steps that raise τ
SHAKEN = 0.5  # the raises end when the IoU has fallen by this part of what it lacked when the round began
CALMER = 0.5  # after a success, the next try starts with this part of τ, in a round 1/CALMER times as long
GAIN = 0.95  # a later try ends when its norm reaches this part of the smallest norm of a success


def start(batch: Batch) -> None:
    """Make the state that `scaled` needs."""
    zeros, none = torch.zeros_like(batch.steps, dtype=torch.float64), torch.zeros_like(batch.steps)
    batch.state |= {
        **{"top_tau": zeros, "round_iou": zeros, "raises": none},
        **{"tries": none, "begun": none, "smallest": batch.best_norm, "clean_gradient": batch.images},
    }


def scaled(gradient: Tensor, overlap: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Calibrate a step, given J's gradient (B, C, H, W) and the IoU (B,) float64 at the iterates.

    Returns:
        τ_n (B,) float64; whether the step is the first of a try and leaves the clean image, (B,) bool; where it starts,
        and its direction, both (B, C, H, W).
    """
    state = batch.state
    fresh, again = batch.steps == 0, batch.best_norm < state["smallest"]
    tries, begun = state["tries"] + again, torch.where(again, batch.steps, state["begun"])
    # max_steps may be 0, and τ is computed all the same. In float, because the number of tries has no limit.
    length = max(1, batch.max_steps) * CALMER ** -tries.double()
    part = ROUNDS * (batch.steps - begun)
    begins = (tries == 0) & ~fresh & (part % length < ROUNDS)
    began = torch.where(begins, overlap, state["round_iou"])
    raises = state["raises"].masked_fill((tries > 0) | (overlap < began - SHAKEN * (1 - began)), 0)
    top = torch.where((raises > 0) & ~begins, RAISE * state["top_tau"], state["top_tau"])
    top = torch.where(again, CALMER * top, torch.where(fresh, _first(gradient), top))
    clean = torch.where(unsqueeze_like(fresh, gradient), gradient, state["clean_gradient"])
    batch.state = state | {
        **{"top_tau": top, "round_iou": began, "raises": (raises - 1).clamp(min=0).masked_fill(begins, RAISES)},
        **{"tries": tries, "begun": begun, "smallest": batch.best_norm, "clean_gradient": clean},
    }
    outgrown = norms(batch.iterates - batch.images, 2) >= GAIN * batch.best_norm
    batch.done = (tries > 0) & ~again & (outgrown | (part + ROUNDS >= length))
    restarted = unsqueeze_like(again, gradient)
    points = torch.where(restarted, batch.images, batch.iterates)
    return top * FALL ** (part % length / length), fresh | again, points, torch.where(restarted, clean, gradient)


def _first(gradient: Tensor) -> Tensor:
    """τ_0 (B,) float64; 0 where the gradient (B, C, H, W) is, because no multiplier would help."""
    length = torch.linalg.vector_norm(gradient.flatten(1), dim=1, dtype=torch.float64)
    return (FIRST_STEP * gradient[0].numel() ** 0.5 / length).masked_fill(length == 0, 0)
