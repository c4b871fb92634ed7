"""Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083), its loss averaged over pixels."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, unsqueeze_like
from benchmark.attacks.budgeted import ProjectedSteps
from benchmark.attacks.losses import clipped_misfit, cross_entropy, dlr, margin
from benchmark.errors import InputError

Loss = Literal["ce", "margin", "dlr"]


@dataclass(frozen=True)
class PGD(ProjectedSteps):
    """Projected gradient descent from a random point, any number of times.

    Args:
        loss: "ce", cross-entropy; "margin", by how much another class's logit leads; "dlr", that lead in units of the
            logits' spread (arXiv 2003.01690; the margin itself for two classes). The last two are clipped at 0 where a
            pixel is won, which would otherwise dominate the sum: only pixels that are not won pull. They are not in
            Madry's paper; with large logits they succeed where cross-entropy has no gradient left.
        restarts: rounds, each from a random point of its own, into which the steps are divided: all of them together
            cost what one takes. The first iterate of a round is its random point, so N steps make N + 1 iterates.
    """

    loss: Loss = "ce"
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.restarts < 1 or (self.restarts > 1 and not self.random_start):
            given = f"restarts={self.restarts}, random_start={self.random_start}"
            raise InputError(f"PGD: {given}; give 1 or more restarts, and more than 1 only with a random start")

    def step(self, batch: Batch, query: Query) -> Tensor:
        following = super().step(batch, query)
        if self.restarts == 1:
            return following
        # Dividing the iterates rather than the updates, so that each round's last iterate is still judged.
        iterates = batch.max_steps + 1
        before, after = (count * self.restarts // iterates for count in (batch.steps, batch.steps + 1))
        return torch.where(unsqueeze_like(after > before, following), self.random_point(batch, after), following)

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.loss == "ce":
            return cross_entropy(logits, batch.labels)
        by_margin = self.loss == "margin"
        lead = margin(logits, batch.labels) if by_margin else dlr(logits, batch.labels, self.targeted)
        return clipped_misfit(lead, self.targeted)
