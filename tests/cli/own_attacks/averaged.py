"""Gradients averaged over noisy points around the iterate, as in SmoothGrad (Smilkov et al., arXiv 1706.03825)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.attacks.losses import cross_entropy, valid_mean
from benchmark.attacks.projection import direction
from benchmark.attacks.random_draws import normal

POINTS = 3


@dataclass(frozen=True)
class Averaged(Rule):
    """Steps of a fixed L2 norm; no point it asks about is the iterate, at which the engine therefore looks itself."""

    step_size: float = 0.1
    noise: float = 0.02
    passes_per_step = 2 * POINTS + 1

    def step(self, batch: Batch, query: Query) -> Tensor:
        def misfit(logits: Tensor, points: Tensor) -> Tensor:
            return valid_mean(cross_entropy(logits, batch.labels), batch.valid)

        total = torch.zeros_like(batch.iterates)
        for i in range(POINTS):
            drawn = normal(batch.seeds, batch.images.shape[1:], stream=POINTS * batch.steps + i, dtype=total.dtype)
            points = (batch.iterates + self.noise * drawn).clamp(0, 1)
            total = total + query.gradient(misfit, points)[1]
        return (batch.iterates - self.step_size * direction(total, 2)).clamp(0, 1)
