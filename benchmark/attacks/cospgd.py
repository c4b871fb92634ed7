"""CosPGD (Agnihotri, Jung, Keuper, ICML 2024, arXiv 2302.02213)."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.attacks.base import Batch
from benchmark.attacks.budgeted import ProjectedSteps
from benchmark.attacks.losses import cross_entropy
from benchmark.errors import InputError

Weights = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class CosPGD(ProjectedSteps):
    """PGD whose cross-entropy is weighted by how well each pixel's scores still point to its label.

    The weight is the cosine between the scores and the label's one-hot vector, and if targeted 1 − cosine; it is not
    differentiated. The paper's step is .01 at ε = 8/255, which is the default, relative to the budget.

    Args:
        weights: scores are the softmax of the logits, as in the paper, or their sigmoid, as SEA's authors read it.
    """

    relative_step: float = 0.01 * 255 / 8
    weights: Weights = "softmax"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights not in get_args(Weights):
            raise InputError(f"CosPGD: weights={self.weights!r} is not one of {', '.join(get_args(Weights))}")

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        cosine = self._cosine(logits.detach(), batch.labels)
        return (1 - cosine if self.targeted else cosine) * cross_entropy(logits, batch.labels)

    def _cosine(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cosine between scores and one-hot labels, (B, K, h, w), (B, h, w) -> (B, h, w) in [0, 1]."""
        # Of exp(log scores), the largest scaled to 1, which changes no cosine: the norm is neither 0 nor infinite.
        logarithm = logits if self.weights == "softmax" else F.logsigmoid(logits)
        scores = (logarithm - logarithm.amax(1, keepdim=True)).exp()
        return scores.gather(1, labels.unsqueeze(1)).squeeze(1) / torch.linalg.vector_norm(scores, dim=1)
