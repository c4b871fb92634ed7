"""MI-FGSM (Dong et al., CVPR 2018, arXiv 1710.06081): steps along accumulated gradients, for other models to see."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, norms, unsqueeze_like
from benchmark.attacks.budgeted import Budgeted


@dataclass(frozen=True)
class MIFGSM(Budgeted):
    """N steps of length ε / N from the clean image, along a momentum of gradients of the same size.

    Algorithm 1 of the paper, J the mean cross-entropy, ascended; descended if targeted:

        g ← momentum · g + ∇J / ‖∇J‖₁,        x' ← x' + ε/N · sign g,

    for norm 2 with g / ‖g‖₂ in place of its sign. Momentum keeps the direction from following the details of one
    model: the results are meant for `transfer`, so run it with `stop: false` and `keep: last`.

    Args:
        momentum: the factor μ of what was accumulated; 0 is iterated FGSM.
    """

    momentum: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[0, inf)", "momentum")

    def start(self, batch: Batch) -> Tensor:
        batch.state["momentum"] = torch.zeros_like(batch.images)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        _, gradient = query.gradient(lambda logits, points: self.ascended(self.misfit_by("ce", logits, batch), batch))
        size = norms(gradient, 1)
        # A gradient of 0 adds nothing to the momentum.
        unit = gradient / unsqueeze_like(torch.where(size > 0, size, 1), gradient)
        momentum = self.momentum * batch.state["momentum"] + unit
        batch.state["momentum"] = momentum
        return self.moved(batch, momentum, batch.eps / max(batch.max_steps, 1))
