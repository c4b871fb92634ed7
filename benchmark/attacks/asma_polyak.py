"""ASMA's adaptive mask with Polyak's step length and momentum: fewer steps to the target, no length to tune."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import hinge
from benchmark.attacks.projection import without_leaving


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
        super().__post_init__()
        self.check_range("(0, inf]", "relax")
        self.check_range("[0, 1)", "momentum")

    def start(self, batch: Batch) -> Tensor:
        batch.state["velocity"] = torch.zeros_like(batch.images)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, gradient = query.gradient(lambda logits, points: hinge(logits, batch, True))
        gradient = without_leaving(gradient, batch.iterates)
        steepness = gradient.square().flatten(1).sum(1)
        # A gradient of 0 means that all pixels are at the target: no step.
        length = torch.where(steepness > 0, self.relax * hinge(logits, batch, True) / steepness, 0)
        velocity = self.momentum * batch.state["velocity"] + unsqueeze_like(length, gradient) * gradient
        batch.state["velocity"] = velocity
        batch.report["multiplier"] = length
        return (batch.iterates - velocity).clamp(0, 1)
