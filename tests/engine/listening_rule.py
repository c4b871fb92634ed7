"""A rule that reports what the engine tells it, and a judge whom nothing satisfies."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.attacks.projection import project
from benchmark.engine import Criterion

NOWHERE = Criterion("apsr", "target", ">=", 1)


@dataclass(frozen=True)
class Listening(Rule):
    """Walks to the edge of its budget in fixed steps and reports what it is told."""

    eps: float | None = 0.2
    norm: object = "inf"
    last: int | None = None

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, _ = query.gradient(lambda logits, points: logits.flatten(1).sum(1) + points.flatten(1).sum(1))
        batch.report |= {"eps": batch.eps, "best_norm": batch.best_norm, "judged": query.judge(logits).double()}
        if self.last is not None:
            batch.done = batch.steps + 1 >= self.last
        return project(batch.iterates + 0.01, batch.images, batch.eps, self.norm)


def ones(images: Tensor) -> Tensor:
    return torch.ones(len(images), 8, 8).long()
