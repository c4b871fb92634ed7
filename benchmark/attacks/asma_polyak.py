"""ASMA's adaptive mask with Polyak's step length and momentum: fewer steps to the target, no length to tune."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import margin


@dataclass(frozen=True)
class ASMAPolyak(Rule):
    """Descends the margins of the pixels that are not at the target yet, by Polyak's step (1987, section 5.3).

    Not the published ASMA, from which it has the adaptive mask only. With m_i = z_{y*} − max of the other logits and
    f = Σ_valid max(−m_i, 0), which is 0 when all pixels are at the target,

        v_{n+1} = momentum · v_n + relax · f / ‖∇f‖²₂ · ∇f,    x'_{n+1} = clip₀₁(x'_n − v_{n+1}),

    all per image; v_0 = 0. Were f linear, a step with `relax` 1 would end at f = 0. A value at a bound takes no part in
    ∇f while its step points out of [0, 1]. Scaling the logits changes nothing.

    Args:
        relax: the share of the way to f = 0 that a step goes; smaller steps end at a smaller norm.
        momentum: how much of the last step comes again, in [0, 1).
    """

    relax: float = 1.0
    momentum: float = 0.5

    def __post_init__(self) -> None:
        if not self.relax > 0:
            raise ValueError(f"ASMAPolyak: relax must be positive, got {self.relax}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"ASMAPolyak: momentum must be at least 0 and below 1, got {self.momentum}")

    def start(self, batch: Batch) -> Tensor:
        batch.state["velocity"] = torch.zeros_like(batch.images)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, gradient = query.gradient(lambda logits, points: self.shortfall(logits, batch))
        leaves = torch.where(gradient > 0, batch.iterates <= 0, batch.iterates >= 1)
        gradient = torch.where(leaves, 0, gradient)
        steepness = gradient.square().flatten(1).sum(1)
        # A gradient of 0 means that all pixels are at the target: no step.
        length = torch.where(steepness > 0, self.relax * self.shortfall(logits, batch) / steepness, 0)
        velocity = self.momentum * batch.state["velocity"] + unsqueeze_like(length, gradient) * gradient
        batch.state["velocity"] = velocity
        batch.report["multiplier"] = length
        return (batch.iterates - velocity).clamp(0, 1)

    def shortfall(self, logits: Tensor, batch: Batch) -> Tensor:
        """f of the class docstring; logits (B, K, h, w) -> (B,)."""
        short = -margin(logits, batch.labels)
        # Ties pull as well: argmax need not break them as wanted.
        return torch.where(batch.valid & (short >= 0), short, 0).flatten(1).sum(1)
