"""Gives a rule without a budget one, by projection."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.attacks.projection import project

_COSTS = ("passes_per_step", "gradients_per_step", "most_steps", "ends_images", "may_start_anywhere")


@dataclass(frozen=True)
class Projected(Rule):
    """Any rule, with each of its iterates projected onto the ball of radius eps cut with [0, 1].

    It shows what a penalised attack such as ASMA reaches within a budget, for comparison with budgeted attacks.

    Args:
        rule: the rule, which does not know of the budget.
        eps: the budget.
        norm: 2 or "inf".
    """

    rule: Rule
    eps: float = 8 / 255
    norm: Literal[2, "inf"] = "inf"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[0, inf]", "eps")
        self.declare(**{name: getattr(self.rule, name) for name in ("targeted", "wants_class_pixels", *_COSTS)})

    def start(self, batch: Batch) -> Tensor:
        free = replace(batch, eps=torch.full_like(batch.eps, float("inf")))
        points = self.rule.start(free)
        batch.state = free.state
        return project(points, batch.images, batch.eps, self.norm)

    def step(self, batch: Batch, query: Query) -> Tensor:
        free = replace(batch, eps=torch.full_like(batch.eps, float("inf")))
        following = self.rule.step(free, query)
        batch.state, batch.report, batch.done = free.state, free.report, free.done
        return project(following, batch.images, batch.eps, self.norm)
