"""Budgets that shrink while an attack runs: SEA's schedule (arXiv 2306.12941)."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Phase:
    """Where each image is in an attack's schedule; all (B,).

    Attributes:
        factor: what the budget is multiplied by, float.
        update: updates since the phase's first iterate, int64; 0 there.
        length: how many iterates of the phase are updated, int64, at least 1.
    """

    factor: Tensor
    update: Tensor
    length: Tensor


def phase_at(steps: Tensor, total: int, shrinking: bool, dtype: torch.dtype) -> Phase:
    """The phase of the iterates after `steps` (B,) of `total` updates.

    Args:
        shrinking: three tenths of the steps within 2 budgets, three within 1.5, the rest within 1; False: all within 1.
        dtype: of the factors.
    """
    second, third = (3 * total // 10, 6 * total // 10) if shrinking else (0, 0)
    # One number for each of the three phases; a total too small for all of them leaves out the first.
    reached = [steps >= second, steps >= third]

    def choose(first: float, then: float, last: float, kind: torch.dtype) -> Tensor:
        return first + (then - first) * reached[0].to(kind) + (last - then) * reached[1].to(kind)

    beginning = choose(0, second, third, steps.dtype)
    length = choose(second, third - second, total - third, steps.dtype).clamp(min=1)
    return Phase(choose(2, 1.5, 1, dtype), steps - beginning, length)
