"""TsallisPGD (Matyasko et al., IJCNN 2026, arXiv 2605.03405): APGD on a cross-entropy that changes while it runs."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.apgd import APGD
from benchmark.attacks.base import Batch, unsqueeze_like
from benchmark.attacks.losses import cross_entropy

_LOGARITHM = 1e-6  # sizes of 1 − q below which the loss is its limit, the cross-entropy


@dataclass(frozen=True)
class TsallisPGD(APGD):
    """APGD within SEA's three radii, whose gradient is that of the Tsallis cross-entropy.

    With p the softmax probability of a pixel's label and a = 1 − q,

        L_q = (1 − p^a) / a = −expm1(a log p) / a,        q → 1: −log p.

    Its gradient is that of the cross-entropy times p^a: for q < 1 pixels whose label is still likely count more. q goes
    linearly from `first_q` at the first step within a radius to `last_q` at the last, anew within each radius, as in
    the public code (aam-at/tsallis_pgd), where q would be `last_q` one iterate later. APGD watches the cross-entropy,
    as there. From one radius to the next SEA's point is handed on, see `APGD`; there it is that of the highest
    cross-entropy. Targeted, which the paper does not treat: L_q of the target is minimised.

    Args:
        loss: "ce" only, which is what is watched.
        first_q, last_q: the ends of q.
    """

    loss: Literal["ce"] = "ce"
    shrinking: bool = True
    first_q: float = -2.0
    last_q: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(-inf, 1]", "first_q", "last_q")

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        phase = self.phase(batch, batch.steps)
        share = (phase.update.double() / (phase.length - 1).clamp(min=1)).clamp(max=1)
        q = self.first_q + (self.last_q - self.first_q) * share
        return tsallis(logits, batch.labels, q.to(logits.dtype))


def tsallis(logits: Tensor, labels: Tensor, q: Tensor) -> Tensor:
    """Tsallis cross-entropy per pixel, (B, h, w), of logits (B, K, h, w), labels (B, h, w) and an image's q (B,)."""
    surprise = cross_entropy(logits, labels)
    a = unsqueeze_like(1 - q, surprise)
    limit = a.abs() < _LOGARITHM
    a = torch.where(limit, 1, a)
    return torch.where(limit, surprise, -torch.expm1(-a * surprise) / a)
