"""How parameters change over the steps of an image."""

import math

import torch
from torch import Tensor

from benchmark.attacks.base import Batch


def half_cosine(batch: Batch, first: float, last: float, since: Tensor | None = None) -> Tensor:
    """Values (B,) that fall by half a cosine from `first` at the step `since`, (B,) or 0, to `last` at the last one."""
    since = torch.zeros_like(batch.steps) if since is None else since
    left = (batch.max_steps - 1 - since).clamp(min=1).to(batch.images.dtype)
    share = ((batch.steps - since) / left).clamp(0, 1)
    return last + (first - last) * (1 + (math.pi * share).cos()) / 2


_USUAL_STEPS = 100


def pace(batch: Batch) -> float:
    """Factor of what changes by a share per step, so that it gets as far in fewer than 100 steps as in 100; else 1."""
    return max(1.0, _USUAL_STEPS / max(1, batch.max_steps))
