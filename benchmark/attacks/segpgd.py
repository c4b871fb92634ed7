"""SegPGD (Gu et al., ECCV 2022, arXiv 2207.12391)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, unsqueeze_like
from benchmark.attacks.losses import cross_entropy
from benchmark.attacks.pgd import PGD


@dataclass(frozen=True)
class SegPGD(PGD):
    """PGD that first concentrates on the pixels still to be fooled, and less and less so.

    Cross-entropy weighted by 1 − λ where the prediction equals the label and by λ elsewhere, λ = (t − 1) / (2N) at step
    t = 1 … N; if targeted the other way round, because there the pixels that differ are still to be fooled. The paper's
    step is .01 at ε = 8/255, which is the default, relative to the budget.

    Args:
        loss: "ce" only.
    """

    loss: Literal["ce"] = "ce"
    relative_step: float = 0.01 * 255 / 8

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        fooled = (metrics.predicted(logits) == batch.labels) == self.targeted
        late = unsqueeze_like(batch.steps.to(logits.dtype) / (2 * batch.max_steps), batch.valid)
        return torch.where(fooled, late, 1 - late) * cross_entropy(logits, batch.labels)
