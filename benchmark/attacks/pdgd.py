"""Primal-Dual Gradient Descent (Matyasko & Chau 2021, arXiv 2106.01538)."""

from dataclasses import dataclass

from torch import Tensor

from benchmark.attacks.base import Batch, norms
from benchmark.attacks.primal_dual import PrimalDual


@dataclass(frozen=True)
class PDGD(PrimalDual):
    """Primal-Dual Gradient Descent (arXiv 2106.01538) for the L2 norm, with one constraint per valid pixel.

    The norm is descended by its gradient, together with the constraints. What is minimised and all parameters are
    those of `primal_dual`. It goes on after a success, towards smaller ones: run it with `stop=False`.
    """

    norm = 2

    def penalty(self, delta: Tensor, weight: Tensor) -> Tensor:
        return weight * norms(delta, 2)

    def shrink(self, points: Tensor, metric: Tensor, amount: Tensor, batch: Batch) -> Tensor:
        return points
