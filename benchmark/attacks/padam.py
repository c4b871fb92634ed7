"""PAdam (Halmosi, Mohos, Jelasity, ECCV 2024, arXiv 2407.09150): Adam in place of signed steps."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, unsqueeze_like
from benchmark.attacks.budgeted import Budgeted
from benchmark.attacks.losses import cosine, cross_entropy
from benchmark.attacks.projection import project

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8

Loss = Literal["ce", "cos"]


@dataclass(frozen=True)
class PAdam(Budgeted):
    """Adam (its AMSGrad variant) on the perturbation, projected onto the box after every step, from a random start.

    The loss is the mean over each image's own valid pixels: Adam's 1e-8 is compared with its gradient, so that a mean
    over a batch would make an image's result depend on its neighbours.

    Args:
        norm: "inf" only, because its steps are lengths per value.
        loss: "ce", cross-entropy, or "cos", 1 − cosine between logits and the label's one-hot vector. The two logits
            ±z/2 of a one-logit head have the same angle whatever z is, so there it is the cosine of the softmax.
        step_size: Adam's learning rate; None: `relative_step` budgets. The paper's is 2/255 at ε = 8/255.
        relative_step: learning rate in budgets, where there is no `step_size`.
        random_start: start at a random point of the ball; False: at the clean image.
    """

    norm: Literal["inf"] = "inf"
    step_size: float | None = None
    relative_step: float = 0.25
    random_start: bool = True
    may_start_anywhere = True
    loss: Loss = "ce"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "step_size", "relative_step")

    def start(self, batch: Batch) -> Tensor:
        zeros = torch.zeros_like(batch.images)
        batch.state |= {"mean": zeros, "square": zeros, "largest": zeros}
        return self.random_point(batch) if self.random_start else batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        _, gradient = query.gradient(lambda logits, points: self.ascended(self.misfit(logits, batch), batch))
        mean = _BETA1 * batch.state["mean"] + (1 - _BETA1) * gradient
        square = _BETA2 * batch.state["square"] + (1 - _BETA2) * gradient.square()
        largest = torch.maximum(batch.state["largest"], square)
        batch.state |= {"mean": mean, "square": square, "largest": largest}
        count = unsqueeze_like(batch.steps + 1, gradient).double()
        unbiased = mean / (1 - _BETA1**count).to(mean.dtype)
        scale = largest.sqrt() / (1 - _BETA2**count).sqrt().to(mean.dtype) + _EPSILON
        length = unsqueeze_like(self.relative_step * batch.eps, gradient) if self.step_size is None else self.step_size
        return project(batch.iterates + length * unbiased / scale, batch.images, batch.eps, self.norm)

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        """How badly each pixel fits its label; logits (B, K, h, w) -> (B, h, w)."""
        labels = batch.labels
        if self.loss == "ce":
            return cross_entropy(logits, labels)
        similarity = cosine(logits, labels)
        if logits.shape[1] == 2:
            opposite = unsqueeze_like((logits[:, 0] == -logits[:, 1]).flatten(1).all(1), labels)
            similarity = torch.where(opposite, cosine(logits.softmax(1), labels), similarity)
        return 1 - similarity
