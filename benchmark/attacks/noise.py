"""Random noise, the control every attack has to beat."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like
from benchmark.attacks.random_draws import normal, uniform

_HALVINGS = 60  # of an interval of length 1: down to the rounding of float64


@dataclass(frozen=True)
class Noise(Rule):
    """One draw of noise whose norm is the budget, after clipping to [0, 1]; it knows neither model nor labels.

    Gaussian for the norms 1 and 2, uniform for "inf", so that no pixel stands out. With the attack's `equal_norm` the
    budget of each image is what another attack has used on it, and the two can be compared image by image.

    Args:
        eps: norm of the noise; an image's own budget takes precedence.
        norm: 1, 2 or "inf".
        targeted: which labels the rule is given; it uses none.
    """

    eps: float = 8 / 255
    norm: Literal[1, 2, "inf"] = "inf"
    targeted: bool = True
    passes_per_step = 1
    gradients_per_step = 0
    most_steps = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[0, inf]", "eps")

    def start(self, batch: Batch) -> Tensor:
        return matched_noise(batch.images, batch.seeds, batch.eps, self.norm)

    def step(self, batch: Batch, query: Query) -> Tensor:
        batch.done = torch.ones_like(batch.done)
        return batch.iterates


def matched_noise(images: Tensor, seeds: Tensor, eps: Tensor, norm: Literal[1, 2, "inf"]) -> Tensor:
    """Noisy images clip₀₁(x + t n), with t such that the norm of what clipping has left of t n is `eps`.

    If n points out of [0, 1] so often that no t is enough, every value of n is turned towards the farther end of the
    range. No perturbation has a larger norm than that allows, so the norm is below `eps` only where `eps` is larger.

    Args:
        images: (B, C, H, W) in [0, 1].
        seeds: (B,) int64, of the draws.
        eps: (B,) not negative.
        norm: 1, 2 or "inf".

    Returns:
        (B, C, H, W) in [0, 1].
    """
    clean, shape = images.double(), images.shape[1:]
    drawn = normal(seeds, shape, dtype=clean.dtype)
    if norm == "inf":
        drawn = 2 * uniform(seeds, shape, dtype=clean.dtype) - 1
    budget = eps.double()
    reach = torch.where(drawn < 0, clean, 1 - clean)
    inwards = torch.where(clean < 0.5, drawn.abs(), -drawn.abs())
    enough = norms(reach, norm) >= budget
    drawn = torch.where(unsqueeze_like(enough, drawn), drawn, inwards)
    # The norm grows with t = u / (1 - u), so halving the interval of u finds it whatever the norm is.
    low, high = torch.zeros_like(budget), torch.ones_like(budget)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = norms(_clipped(clean, drawn, middle), norm) <= budget
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return (clean + _clipped(clean, drawn, low)).to(images.dtype).clamp(0, 1)


def _clipped(clean: Tensor, drawn: Tensor, u: Tensor) -> Tensor:
    scaled = drawn * unsqueeze_like(u / (1 - u), drawn)
    return torch.maximum(torch.minimum(scaled, 1 - clean), -clean)
