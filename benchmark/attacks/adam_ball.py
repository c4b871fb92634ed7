"""Adam within a Linf ball that follows the engine's judge, a minimal-norm attack of this project."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, norms, unsqueeze_like
from benchmark.attacks.projection import direction, project, without_leaving
from benchmark.attacks.schedules import half_cosine, pace
from benchmark.attacks.steered_adam import SteeredAdam
from benchmark.attacks.steering import LARGEST_GAMMA, judged_radius

_GROWTH = 0.3  # part of γ by which the ball grows


@dataclass(frozen=True, kw_only=True)
class AdamBall(SteeredAdam):
    """Adam on the shortfall within the smallest Linf ball in which the judge holds.

    After the walk that `SteeredAdam` describes, descends its shortfall f by Adam and projects each update onto the ball
    of radius r around the clean image cut with [0, 1]: the proximal operator of a norm that may not exceed r. As in
    FMN (arXiv 2102.12827) the radius follows the judge at x', but grows more slowly than it shrinks:

        r ← (1 − γ) · min(r, ‖x' − x‖∞) where the judge holds,    r ← (1 + .3 γ) · r elsewhere.

    A perturbation that has become too large is scaled to the ball first. Adam gets ∇f of length 1, with 0 where its
    step would leave [0, 1], and its step size is α r, at most `largest_step`. γ and α fall by half a cosine, from the
    first success to the last step; with N < 100 steps γ is 100/N times as large, at most ½.

    An image that the walk has not brought to success begins within a small ball of `radius`, which grows: iterates that
    follow a slowly growing ball arrive at smaller norms than those that are free.
    Run it with `stop: false`.

    Args:
        gamma: γ at the first success and before.
        gamma_end: γ at the last step.
        step_size: α at the first success and before.
        step_size_end: α at the last step.
        largest_step: in image values.
        radius: r after a walk without success, in image values.
        update: Adam's, or the sign of its first moment, which is the steepest step in Linf.
    """

    norm: Literal["inf"] = "inf"
    gamma: float = 0.05
    gamma_end: float = 0.003
    step_size: float = 0.3
    step_size_end: float = 0.02
    largest_step: float = 0.01
    radius: float = 4 / 255
    update: Literal["adam", "sign"] = "adam"
    left_out: float = 0.0
    relaxation: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range(f"[0, {LARGEST_GAMMA}]", "gamma", "gamma_end")
        self.check_range("(0, inf)", "step_size", "step_size_end", "largest_step", "radius")

    def start(self, batch: Batch) -> Tensor:
        batch.state["radius"] = torch.full_like(batch.best_norm, math.inf)
        return super().start(batch)

    def steered(self, gradient: Tensor, success: Tensor, begins: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        state = batch.state
        gamma = pace(batch) * half_cosine(batch, self.gamma, self.gamma_end, since=state["won"])
        gamma = gamma.clamp(max=LARGEST_GAMMA)
        radius = judged_radius(state["radius"], gamma, success, batch, norm="inf", growth=_GROWTH)
        radius = torch.where(begins & ~success, self.radius, radius)
        state["radius"] = radius
        batch.report["radius"] = radius
        size = half_cosine(batch, self.step_size, self.step_size_end, since=state["won"])
        length = torch.where(radius.isfinite(), size * radius, 0).clamp(max=self.largest_step)
        free = without_leaving(gradient, batch.iterates)
        return length, direction(free, 2)

    def directed(self, mean: Tensor, square: Tensor) -> Tensor:
        return mean.sign() if self.update == "sign" else super().directed(mean, square)

    def moved(self, move: Tensor, batch: Batch) -> Tensor:
        delta, radius = batch.iterates - batch.images, batch.state["radius"]
        reached = norms(delta, "inf")
        shrunk = torch.where(reached > radius, radius / reached, 1)
        return project(batch.images + unsqueeze_like(shrunk, delta) * delta - move, batch.images, radius, "inf")
