"""The steps of `ASMA(scale="auto")`, computed for each image while it is attacked; `ASMA` describes them."""

import math

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, norms, unsqueeze_like
from benchmark.attacks.losses import margin
from benchmark.attacks.projection import direction, project, without_leaving
from benchmark.attacks.schedules import half_cosine, pace
from benchmark.attacks.steering import LARGEST_GAMMA, judged_radius

# All chosen on development victims at 64², 300 passes.
FIRST_STEP = 2 / 255  # root mean square of the first update
BETA_PER_TAU = 10.0  # β/τ, as published
WALK = 0.2  # share of the steps after which an image that has not reached its target goes on within a ball
FALL = 1e-3  # τ after all steps, relative to the beginning, if the walk lasted so long
CONFIDENCE = 0.05  # margin asked for within the ball, in units of the clean image's lead
START = 0.6  # radius of the ball of an image without success, relative to the norm that its walk has reached
GROWTH = 0.3  # part of γ by which a ball grows
GAMMA = (0.05, 0.003)  # by which the ball shrinks: until the first success, and at the last step
STEP = (0.3, 0.02)  # length of a step in radii, likewise
MOMENTUM = 0.9


def start(batch: Batch) -> None:
    """Make the state that the functions below need."""
    none, never = torch.zeros_like(batch.steps), torch.zeros_like(batch.done)
    batch.state["top_tau"] = torch.zeros_like(batch.steps, dtype=torch.float64)
    batch.state["velocity"] = torch.zeros_like(batch.images)
    batch.state["radius"] = torch.full_like(batch.best_norm, math.inf)
    batch.state |= {"walked": never, "won": none, "reached": never}


def wanted(logits: Tensor, batch: Batch) -> Tensor:
    """Pixels that pull although they are at the target, because they might be lost again; (B, h, w) bool."""
    lead = CONFIDENCE * unsqueeze_like(batch.clean_lead, batch.labels).to(logits.dtype)
    return unsqueeze_like(batch.state["walked"], batch.labels) & (margin(logits, batch.labels) < lead)


def walking_tau(gradient: Tensor, batch: Batch) -> Tensor:
    """τ_n (B,) float64 of the walk, from J's gradient (B, C, H, W); 0 where the first gradient was 0."""
    length = torch.linalg.vector_norm(gradient.flatten(1), dim=1, dtype=torch.float64)
    first = (FIRST_STEP * gradient[0].numel() ** 0.5 / length).masked_fill(length == 0, 0)
    top = torch.where(batch.steps == 0, first, batch.state["top_tau"])
    batch.state = batch.state | {"top_tau": top}
    return top * FALL ** (batch.steps / max(1, batch.max_steps))


def within_ball(walked_to: Tensor, gradient: Tensor, success: Tensor, batch: Batch) -> Tensor:
    """The next points (B, C, H, W): where the walk leads, or in the ball once the walk has ended.

    Args:
        walked_to: (B, C, H, W), not clamped.
        gradient: J's at the iterates, (B, C, H, W).
        success: whether the judge holds there, (B,) bool.
    """
    state = batch.state
    walked = state["walked"] | success | (batch.steps >= WALK * batch.max_steps)
    begins = walked & ~state["walked"]
    won = torch.where(state["reached"], state["won"], batch.steps)
    gamma, length = (half_cosine(batch, *ends, since=won) for ends in (GAMMA, STEP))
    reached = norms(batch.iterates - batch.images, 2)
    gamma = (pace(batch) * gamma).clamp(max=LARGEST_GAMMA)
    radius = judged_radius(state["radius"], gamma, success, batch, norm=2, growth=GROWTH)
    radius = torch.where(begins & ~success, START * reached, radius)
    climb = direction(-without_leaving(-gradient, batch.iterates), 2)
    before = torch.where(unsqueeze_like(begins, climb), 0, state["velocity"])
    velocity = MOMENTUM * before + (1 - MOMENTUM) * climb
    batch.state = state | {"radius": radius, "walked": walked, "won": won, "velocity": velocity}
    batch.state["reached"] = state["reached"] | success
    batch.report["radius"] = radius
    move = unsqueeze_like(torch.where(walked, length * radius, 0), velocity) * velocity
    inside = project(batch.iterates + move, batch.images, radius, 2)
    return torch.where(unsqueeze_like(walked, inside), inside, walked_to)
