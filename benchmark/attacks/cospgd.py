"""CosPGD (Agnihotri, Jung, Keuper, ICML 2024, arXiv 2302.02213)."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from benchmark.attacks.base import Batch
from benchmark.attacks.losses import cosine, cross_entropy
from benchmark.attacks.pgd import PGD

Weights = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class CosPGD(PGD):
    """PGD whose cross-entropy is weighted by how well each pixel's scores still point to its label.

    The weight is the cosine between the scores and the label's one-hot vector, and if targeted 1 − cosine; it is not
    differentiated. The paper's step is .01 at ε = 8/255, which is the default, relative to the budget.

    Args:
        loss: "ce" only.
        weights: scores are the softmax of the logits, as in the paper, or their sigmoid, as SEA's authors read it.
    """

    loss: Literal["ce"] = "ce"
    relative_step: float = 0.01 * 255 / 8
    weights: Weights = "softmax"

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        logarithm = logits.detach() if self.weights == "softmax" else F.logsigmoid(logits.detach())
        # The largest score is scaled to 1, which changes no cosine: the norm is neither 0 nor infinite.
        similarity = cosine((logarithm - logarithm.amax(1, keepdim=True)).exp(), batch.labels)
        return (1 - similarity if self.targeted else similarity) * cross_entropy(logits, batch.labels)
