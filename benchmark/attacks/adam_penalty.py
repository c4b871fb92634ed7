"""A penalised attack by Adam (after Carlini and Wagner, S&P 2017, arXiv 1608.04644), steered by the engine's judge."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import margin

_ADAM = (0.9, 0.99)
_EPSILON = 1e-12


@dataclass(frozen=True, kw_only=True)
class AdamPenalty(Rule):
    targeted: bool = True
    norm: Literal[2, "inf"] = 2
    step_size: float = 0.01
    step_size_end: float = 0.0005
    confidence: float = 0.5
    weight: float = 1.0
    change: float = 0.1
    change_end: float = 0.01

    def start(self, batch: Batch) -> Tensor:
        zeros = torch.zeros_like(batch.images)
        batch.state |= {"mean": zeros, "square": zeros, "weight": torch.full_like(batch.best_norm, self.weight)}
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        weight = batch.state["weight"]
        pixels = batch.valid.flatten(1).sum(1).clamp(min=1).to(weight.dtype).sqrt()

        def loss(logits: Tensor, points: Tensor) -> Tensor:
            margins = (-1 if self.targeted else 1) * margin(logits, batch.labels) + self.confidence
            misses = torch.where(batch.valid & (margins > 0), margins, 0).flatten(1).sum(1)
            size = (points - batch.images).square().flatten(1).sum(1)
            return size + weight * misses / pixels

        logits, gradient = query.gradient(loss)
        success = query.judge(logits)
        first, second = _ADAM
        mean = first * batch.state["mean"] + (1 - first) * gradient
        square = second * batch.state["square"] + (1 - second) * gradient.square()
        count = unsqueeze_like((batch.steps + 1).double(), gradient)
        grown, squares_grown = ((1 - beta**count).to(gradient.dtype) for beta in _ADAM)
        change = 1 + self.faded(batch, self.change, self.change_end)
        weight = torch.where(success, weight / change, weight * change)
        batch.state |= {"mean": mean, "square": square, "weight": weight}
        batch.report["weight"] = weight
        length = unsqueeze_like(self.faded(batch, self.step_size, self.step_size_end), gradient)
        return (batch.iterates - length * mean / grown / ((square / squares_grown).sqrt() + _EPSILON)).clamp(0, 1)

    def faded(self, batch: Batch, first: float, last: float) -> Tensor:
        share = batch.steps.to(batch.images.dtype) / max(batch.max_steps - 1, 1)
        return last + (first - last) * (1 + (math.pi * share.clamp(max=1)).cos()) / 2
