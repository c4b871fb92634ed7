"""How much work an image may cost."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Limits:
    """When an image has had its share of work.

    Args:
        max_steps: updates; None: any number.
        max_passes: forward and backward passes together; None: any number.
        confirmation: passes it takes to confirm a success.
    """

    max_steps: int | None
    max_passes: int | None = None
    confirmation: int = 1

    @property
    def _reserve(self) -> int:
        """Passes kept back: to confirm what a step finds, to judge the iterate it leads to and to confirm that one."""
        return self.confirmation + 2

    def reached(self, steps: Tensor, passes: Tensor, pending: Tensor, cost: int) -> Tensor:
        """Whether no further step of `cost` passes may be taken, `pending` ones to be confirmed first; (B,) each."""
        ended = torch.zeros_like(steps, dtype=torch.bool)
        if self.max_steps is not None:
            ended = ended | (steps >= self.max_steps)
        if self.max_passes is not None:
            due = passes + self.confirmation * pending
            ended = ended | (due + cost + self._reserve > self.max_passes)
        return ended

    def planned(self, cost: int) -> int:
        """How many steps of `cost` passes fit, after the one forward pass of the clean image."""
        found = [] if self.max_steps is None else [self.max_steps]
        if self.max_passes is not None:
            found.append(max(0, self.max_passes - 1 - self._reserve) // max(1, cost))
        return min(found)
