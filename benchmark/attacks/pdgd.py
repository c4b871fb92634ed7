"""Primal-Dual Gradient Descent (Matyasko & Chau 2021, arXiv 2106.01538), taken from images to pixels."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like
from benchmark.attacks.losses import margin

_ADAM = (0.9, 0.999)


@dataclass(frozen=True, kw_only=True)
class PDGD(Rule):
    """Primal-Dual Gradient Descent (arXiv 2106.01538) for the L2 norm, with one constraint per valid pixel.

    Minimising ‖δ‖ under one constraint m_i ≤ 0 per pixel is made a game between the perturbation δ and a weight for
    each constraint. With r the norm, (λ_0, λ) = softmax(0, duals) and m_i = z_y − max of the other logits if the truth
    y is to be left, its negative if y is to be reached, δ descends

        λ_0 · r(δ) + Σ_i λ_i · softplus(m_i)

    by Adam's steps. The duals ascend on sign(m), so that a pixel weighs more until it is fooled and less from then on.
    What δ sees is a running mean of the weights. Step sizes fall with the share of `max_steps` that an image has done:
    for δ by a constant factor per step, for the duals by a constant difference. The attack goes on after a success,
    towards smaller norms: run it with `stop=False`.

    Args:
        targeted: reach the labels, else leave them.
        step_size: first step size of δ, about the change of a value in one step. Published for images: 0.1; users on
            segmentation models take 0.01.
        step_size_decay: the last step size relative to the first.
        dual_step_size: first step size of the duals.
        dual_step_size_decay: the last one relative to the first.
        dual_mean: share of the old weights in the running mean.
        ratio_init: λ_0 / Σλ at the start, where every constraint weighs the same.
        ratio_min: no constraint weighs less than this relative to λ_0, nor λ_0 less than this relative to a constraint.
    """

    targeted: bool = True
    step_size: float = 0.01
    step_size_decay: float = 0.01
    dual_step_size: float = 0.1
    dual_step_size_decay: float = 0.1
    dual_mean: float = 0.9
    ratio_init: float = 1
    ratio_min: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "step_size", "dual_step_size", "ratio_init")
        self.check_range("(0, 1]", "step_size_decay", "dual_step_size_decay", "ratio_min")
        self.check_range("[0, 1)", "dual_mean")

    def start(self, batch: Batch) -> Tensor:
        constraints = batch.valid.flatten(1).sum(1).clamp(min=1).to(batch.images.dtype)
        duals = -unsqueeze_like((constraints * self.ratio_init).log(), batch.valid)
        batch.state["duals"] = duals.expand(batch.valid.shape).clone()
        batch.state["weights"] = _weights(batch.state["duals"], batch.valid)
        batch.state["mean"] = batch.state["square"] = torch.zeros_like(batch.images)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        weights = batch.state["weights"]
        batch.report["norm_weight"] = weights[:, 0]

        def loss(logits: Tensor, points: Tensor) -> Tensor:
            misses = F.softplus(self._margins(logits, batch)).flatten(1)
            # Not multiplied by zero: a logit of a pixel that does not count must not matter, whatever it is.
            misses = torch.where(batch.valid.flatten(1), misses * weights[:, 1:], 0).sum(1)
            return misses + self.penalty(points - batch.images, weights[:, 0])

        logits, gradient = query.gradient(loss)
        direction, metric = self._adam(gradient, batch)
        share = batch.steps.double() / max(batch.max_steps, 1)
        step_size = (self.step_size * self.step_size_decay**share).to(gradient.dtype)
        moved = (batch.iterates - unsqueeze_like(step_size, direction) * direction / metric).clamp(0, 1)
        ratio = weights[:, 0] / weights[:, 1:].sum(1)
        self._ascend(logits, batch)
        return self.shrink(moved, metric, step_size * ratio, batch)

    def penalty(self, delta: Tensor, weight: Tensor) -> Tensor:
        """The part of the norm term that the gradient is taken of; (B, C, H, W), (B,) -> (B,)."""
        return weight * norms(delta, 2)

    def shrink(self, points: Tensor, metric: Tensor, amount: Tensor, batch: Batch) -> Tensor:
        """Make the norm smaller after Adam's step; PDGD has already descended it by its gradient.

        Args:
            points: (B, C, H, W) in [0, 1].
            metric: (B, C, H, W), what Adam divided the step by.
            amount: (B,), the step size times the weight of the norm relative to that of all constraints.
            batch: the images the points come from.
        """
        return points

    def _margins(self, logits: Tensor, batch: Batch) -> Tensor:
        return (-1 if self.targeted else 1) * margin(logits, batch.labels)

    def _adam(self, gradient: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Adam's direction and what to divide it by."""
        first, second = _ADAM
        mean = first * batch.state["mean"] + (1 - first) * gradient
        square = second * batch.state["square"] + (1 - second) * gradient.square()
        batch.state["mean"], batch.state["square"] = mean, square
        # In double precision: 1 − 0.999 has lost four digits in float32.
        count = unsqueeze_like((batch.steps + 1).double(), gradient)
        grown, squares_grown = ((1 - beta**count).to(gradient.dtype) for beta in _ADAM)
        return mean / grown, (square / squares_grown).sqrt() + 1e-8

    def _ascend(self, logits: Tensor, batch: Batch) -> None:
        """One step of the duals, and the weights that the next step of δ sees."""
        left = (batch.max_steps - 1 - batch.steps).double() / max(batch.max_steps - 1, 1)
        floor = self.dual_step_size_decay
        step_size = (self.dual_step_size * (left * (1 - floor) + floor)).to(logits.dtype)
        ascent = self._margins(logits, batch).sign()
        bound = -math.log(self.ratio_min)
        duals = (batch.state["duals"] + unsqueeze_like(step_size, ascent) * ascent).clamp(-bound, bound)
        batch.state["duals"] = torch.where(batch.valid, duals, batch.state["duals"])
        latest = _weights(batch.state["duals"], batch.valid)
        batch.state["weights"] = self.dual_mean * batch.state["weights"] + (1 - self.dual_mean) * latest


def _weights(duals: Tensor, valid: Tensor) -> Tensor:
    """softmax(0, duals) over the valid pixels; (B, h, w) -> (B, 1 + h·w), the norm's weight first."""
    scores = duals.masked_fill(~valid, -torch.inf).flatten(1)
    return F.pad(scores, (1, 0)).softmax(1)
