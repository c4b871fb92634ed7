"""Primal-Dual Proximal Gradient Descent (Matyasko & Chau 2021, arXiv 2106.01538)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, norms, unsqueeze_like
from benchmark.attacks.pdgd import PDGD
from benchmark.attacks.proximal import proximal


@dataclass(frozen=True)
class PDPGD(PDGD):
    """Primal-Dual Proximal Gradient Descent (arXiv 2106.01538), with one constraint per valid pixel.

    As `PDGD`, but Adam's step descends the constraints alone. The norm, which need not be smooth, is then reduced by
    its proximity operator in Adam's metric D (arXiv 1910.10094). Each of `proximal_steps` rounds takes

        δ ← clip(prox(δ − D / max D · (δ − δ_Adam))),    of weight  step size / max D · λ_0 / Σλ,

    until an image's δ changes by less than `tolerance` of its L2 norm. Run it with `stop=False`.

    Args:
        norm: 1, 2 or "inf", which is to be small.
        proximal_steps: rounds at most.
        tolerance: relative change at which an image's rounds end.
    """

    norm: Literal[1, 2, "inf"] = 2
    ratio_min: float = 1e-12
    proximal_steps: int = 5
    tolerance: float = 1e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[1, inf)", "proximal_steps")
        self.check_range("[0, inf]", "tolerance")

    def penalty(self, delta: Tensor, weight: Tensor) -> Tensor:
        return torch.zeros_like(weight)

    def shrink(self, points: Tensor, metric: Tensor, amount: Tensor, batch: Batch) -> Tensor:
        largest = metric.flatten(1).amax(1)
        metric, weight = metric / unsqueeze_like(largest, metric), amount / largest
        moved = delta = points - batch.images
        going = torch.ones_like(weight, dtype=torch.bool)
        # A fixed number of rounds, in which those images stand still that have converged: no wait for the device.
        for _ in range(self.proximal_steps):
            shrunk = proximal(delta - metric * (delta - moved), weight, self.norm)
            shrunk = torch.where(
                unsqueeze_like(going, delta), (batch.images + shrunk).clamp(0, 1) - batch.images, delta
            )
            going = going & (norms(shrunk - delta, 2) > self.tolerance * norms(shrunk, 2))
            delta = shrunk
        return (batch.images + delta).clamp(0, 1)
