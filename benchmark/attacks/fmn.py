"""Fast minimum-norm attack (Pintor et al., NeurIPS 2021, arXiv 2102.12827), steered by the engine's judge."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import hinge
from benchmark.attacks.projection import direction, project, without_leaving
from benchmark.attacks.schedules import half_cosine
from benchmark.attacks.steering import judged_radius, polyak_step


@dataclass(frozen=True, kw_only=True)
class FMN(Rule):
    """Fast minimum-norm attack: walks to the target, then within a ball that shrinks as long as the judge holds.

    Descends f = Σ_valid max(m_i, 0) with m_i = z_y − max of the other logits if the labels are to be left and its
    negative if they are to be reached. Until an image has succeeded it takes Polyak's step (1987, section 5.3) in the
    geometry of the norm, with momentum:

        L2: d = f / ‖∇f‖²₂ · ∇f,    Linf: d = f / ‖∇f‖₁ · sign ∇f,    v ← momentum · v + d,    x' ← clip₀₁(x' − v).

    From the first success on, its perturbation is kept within a ball of radius r around the clean image (arXiv
    2102.12827, algorithm 1): where the judge holds at x', r ← (1 − γ) · min(r, ‖x' − x‖), elsewhere r ← (1 + γ) · r;
    then v ← momentum · v + (1 − momentum) · u with u the unit step along ∇f in the norm, and x' − α r v is projected
    onto the ball cut with [0, 1]. γ and α fall with the share of its steps that the image has done, by a cosine. Values
    at a bound take no part in ∇f while their step points out of [0, 1]. Scaling the logits changes nothing.

    What the judge tolerates, such as an IoU of .95, is found by the radius: pixels that cost more than others stay
    wrong. Run it with `stop: false`. The published attack descends one margin and asks for the class of one image.

    Args:
        targeted: reach the labels, else leave them.
        norm: 2 or "inf", which is to be small.
        momentum: how much of the last step comes again, in [0, 1).
        gamma: γ at the first step.
        gamma_end: γ at the last one.
        step_size: α at the first step, in radii.
        step_size_end: α at the last one.
    """

    targeted: bool = True
    norm: Literal[2, "inf"] = 2
    momentum: float = 0.5
    gamma: float = 0.05
    gamma_end: float = 0.003
    step_size: float = 0.3
    step_size_end: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[0, 1)", "momentum", "gamma", "gamma_end")
        self.check_range("(0, inf)", "step_size", "step_size_end")

    def start(self, batch: Batch) -> Tensor:
        batch.state["velocity"] = torch.zeros_like(batch.images)
        batch.state["radius"] = torch.full_like(batch.best_norm, math.inf)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, gradient = query.gradient(lambda logits, points: hinge(logits, batch, self.targeted))
        gradient = without_leaving(gradient, batch.iterates)
        success, radius = query.judge(logits), batch.state["radius"]
        gamma = half_cosine(batch, self.gamma, self.gamma_end)
        radius = judged_radius(radius, gamma, success, batch, norm=self.norm)
        near = unsqueeze_like(radius.isfinite(), gradient)
        walk = polyak_step(gradient, hinge(logits, batch, self.targeted), self.norm)
        unit = (1 - self.momentum) * direction(gradient, self.norm)
        begins = unsqueeze_like(radius.isfinite() & ~batch.state["radius"].isfinite(), gradient)
        before = torch.where(begins, 0, batch.state["velocity"])
        velocity = self.momentum * before + torch.where(near, unit, walk)
        length = torch.where(radius.isfinite(), half_cosine(batch, self.step_size, self.step_size_end) * radius, 1)
        batch.state |= {"velocity": velocity, "radius": radius}
        batch.report["radius"] = radius
        moved = batch.iterates - unsqueeze_like(length, velocity) * velocity
        return project(moved, batch.images, radius, self.norm)
