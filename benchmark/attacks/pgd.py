"""Projected gradient descent (Madry et al., ICLR 2018, arXiv 1706.06083), its loss averaged over pixels."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, unsqueeze_like
from benchmark.attacks.budgeted import Budgeted
from benchmark.errors import InputError


@dataclass(frozen=True)
class PGD(Budgeted):
    """Projected gradient descent from a random point, any number of times.

    With J the mean loss of an image's valid pixels, x' = P(x + step · u), u the sign of ∇J (norm 2: ∇J / ‖∇J‖₂) and P
    the projection onto the budget and [0, 1]; targeted, J is descended.

    Args:
        step_size: length of a step in `norm`; None: `relative_step` budgets, which alone makes sense at any budget.
        relative_step: length of a step in budgets, where there is no `step_size`.
        random_start: start at a random point of the ball; False: at the clean image.
        loss: "ce", cross-entropy; "margin", by how much another class's logit leads; "dlr", that lead in units of the
            logits' spread (arXiv 2003.01690; the margin itself for two classes). The last two are clipped at 0 where a
            pixel is won, which would otherwise dominate the sum: only pixels that are not won pull. They are not in
            Madry's paper; with large logits they succeed where cross-entropy has no gradient left.
        restarts: rounds, each from a random point of its own, into which the steps are divided: all of them together
            cost what one takes. The first iterate of a round is its random point, so N steps make N + 1 iterates.
    """

    step_size: float | None = None
    relative_step: float = 0.25
    random_start: bool = True
    may_start_anywhere = True
    loss: Literal["ce", "margin", "dlr"] = "ce"
    restarts: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "step_size", "relative_step")
        if self.restarts < 1 or (self.restarts > 1 and not self.random_start):
            given = f"restarts={self.restarts}, random_start={self.random_start}"
            raise InputError(
                f"{type(self).__name__}: {given}; give 1 or more restarts, and more than 1 only with a random start"
            )

    def start(self, batch: Batch) -> Tensor:
        return self.random_point(batch) if self.random_start else batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        _, gradient = query.gradient(lambda logits, points: self.ascended(self.misfit(logits, batch), batch))
        length = self.relative_step * batch.eps
        if self.step_size is not None:
            length = torch.full_like(batch.eps, self.step_size)
        following = self.moved(batch, gradient, length)
        if self.restarts == 1:
            return following
        # Dividing the iterates rather than the updates, so that each round's last iterate is still judged.
        iterates = batch.max_steps + 1
        before, after = (count * self.restarts // iterates for count in (batch.steps, batch.steps + 1))
        return torch.where(unsqueeze_like(after > before, following), self.random_point(batch, after), following)

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        """How badly each pixel fits its label; logits (B, K, h, w) -> (B, h, w)."""
        return self.misfit_by(self.loss, logits, batch)
