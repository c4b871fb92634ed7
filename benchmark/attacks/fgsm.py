"""Fast gradient sign method (Goodfellow, Shlens, Szegedy, ICLR 2015, arXiv 1412.6572)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query
from benchmark.attacks.budgeted import Budgeted


@dataclass(frozen=True)
class FGSM(Budgeted):
    """One step from the clean image that spends the whole budget along the gradient of the cross-entropy.

    x + ε sign ∇CE, descended if targeted; for norm 2 the gradient itself in place of its sign, projected so that what
    the image range cuts off is spent on other pixels. It ends after that one step, whatever `max_steps` is.
    """

    most_steps = 1

    def step(self, batch: Batch, query: Query) -> Tensor:
        _, gradient = query.gradient(lambda logits, points: self.ascended(self.misfit_by("ce", logits, batch), batch))
        batch.done = torch.ones_like(batch.done)
        return self.moved(batch, gradient, batch.eps)
