"""Any rule on logits of a common scale, so that multiplying a victim's logits changes nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Loss, Query, unsqueeze_like
from benchmark.attacks.wrapper import Wrapper


@dataclass(frozen=True)
class ScaleFree(Wrapper):
    """Another rule, on logits divided by how clear the clean image's prediction is.

    Cross-entropy sees no way where logits differ by hundreds: its gradient is 0 or lost in rounding at pixels predicted
    as labelled, and the same at all others. So each image's logits are divided by s, the mean over its valid pixels of
    z₍₁₎ − z₍₂₎, the two largest logits of its clean image: one number for all of its iterates, through which no
    gradient passes. Afterwards a clean pixel's prediction leads by `lead` on average. (Why cross-entropy of unscaled
    logits fails: arXiv 2507.22428; this scale is a choice of this project.) Where s is 0 the logits stay as they are. A
    victim whose logits are c times as large gives the same results; exactly so if c is a power of 2, else up to
    rounding. No pass is added. What the judge sees is not changed.

    Args:
        lead: of the clean predictions, on average, once the logits are scaled. The larger it is, the more cross-entropy
            attends to pixels that are predicted without certainty. Victims that were looked at led by 4 to 9.
    """

    lead: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "lead")

    def told(self, batch: Batch, query: Query) -> Query:
        return _Scaled(query, torch.where(batch.clean_lead > 0, batch.clean_lead / self.lead, 1))


class _Scaled:
    """A query whose logits are divided by a number (B,) per image."""

    def __init__(self, query: Query, scale: Tensor) -> None:
        self._query, self._scale, self.judge = query, scale, query.judge
        self.logits: Tensor | None = None

    def forward(self, points: Tensor | None = None) -> Tensor:
        return self._seen(self._query.forward(points), points)

    def gradient(self, loss: Loss, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        logits, gradient = self._query.gradient(lambda logits, at: loss(self._divided(logits), at), points)
        return self._seen(logits, points), gradient

    def _seen(self, logits: Tensor, points: Tensor | None) -> Tensor:
        divided = self._divided(logits)
        if points is None:
            self.logits = divided
        return divided

    def _divided(self, logits: Tensor) -> Tensor:
        return logits / unsqueeze_like(self._scale, logits).to(logits.dtype)
