"""How much work an image may cost."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.errors import InputError


@dataclass(frozen=True)
class Limits:
    """When an image has used up its steps or passes.

    Args:
        max_steps: updates; None: any number.
        max_passes: forward and backward passes together; None: any number.
        confirmation: passes it takes to confirm a success.

    Raises:
        InputError: for a limit that is too small, or if there is none.
    """

    max_steps: int | None
    max_passes: int | None = None
    confirmation: int = 1

    def __post_init__(self) -> None:
        for option, value, least in (("max_steps", self.max_steps, 0), ("max_passes", self.max_passes, 1)):
            if value is not None and value < least:
                raise InputError(f"{option}={value}: must be at least {least}")
        if self.max_steps is None and self.max_passes is None:
            raise InputError("max_steps and max_passes are both null; an attack needs an end, give one of them")

    @property
    def _reserve(self) -> int:
        """Passes kept back: to confirm a step's candidate, to judge the iterate after it and to confirm that one."""
        return self.confirmation + 2

    def reached(self, steps: Tensor, passes: Tensor, pending: Tensor, cost: int) -> Tensor:
        """Whether no further step of `cost` passes fits, once `pending` candidates are confirmed; (B,) each."""
        ended = torch.zeros_like(steps, dtype=torch.bool)
        if self.max_steps is not None:
            ended = ended | (steps >= self.max_steps)
        if self.max_passes is not None:
            due = passes + self.confirmation * pending
            ended = ended | (due + cost + self._reserve > self.max_passes)
        return ended

    def planned(self, cost: int) -> int:
        """How many steps of `cost` passes fit, after the one forward pass of the clean image."""
        limits = [] if self.max_steps is None else [self.max_steps]
        if self.max_passes is not None:
            limits.append(max(0, self.max_passes - 1 - self._reserve) // max(1, cost))
        return min(limits)
