"""What the minimal-norm attacks that ask the engine's judge share: a step towards the labels, and a ball."""

from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, norms, unsqueeze_like
from benchmark.attacks.projection import direction

LARGEST_GAMMA = 0.5
"""The largest part of its radius that a ball loses at once."""


def polyak_step(gradient: Tensor, excess: Tensor, norm: Literal[2, "inf"]) -> Tensor:
    """The smallest step in `norm` against which a linear function would fall to 0 (Polyak 1987, section 5.3).

    Args:
        gradient: (B, C, H, W) of the function.
        excess: its values (B,), not negative.
        norm: 2: f / ‖g‖²₂ · g; "inf": f / ‖g‖₁ · sign g.

    Returns:
        (B, C, H, W), to be subtracted; 0 where the gradient is 0.
    """
    dual = norms(gradient, 2 if norm == 2 else 1)
    length = torch.where(dual > 0, excess / dual, 0)
    return unsqueeze_like(length, gradient) * direction(gradient, norm)


def judged_radius(
    radius: Tensor, gamma: Tensor, success: Tensor, batch: Batch, *, norm: Literal[2, "inf"], growth: float = 1.0
) -> Tensor:
    """The next radius (B,) of a ball around the clean image that the judge steers, as in FMN (arXiv 2102.12827).

    (1 − γ) · min(r, ‖x' − x‖) where the judge holds at the iterate x', (1 + growth · γ) · r elsewhere, at most the
    distance between a black and a white image: no ball has to be larger, and no radius becomes infinite after very many
    failures. An infinite radius stays so until the first success.

    Args:
        radius: r, (B,).
        gamma: γ, (B,), in [0, ½].
        success: (B,) bool.
        batch: has the iterates x' and the clean images x.
        norm: of the ball.
        growth: part of γ by which it grows.
    """
    largest = batch.images[0].numel() ** 0.5 if norm == 2 else 1.0
    reached = torch.minimum(radius, norms(batch.iterates - batch.images, norm))
    grown = torch.where(radius.isfinite(), ((1 + growth * gamma) * radius).clamp(max=largest), radius)
    return torch.where(success, (1 - gamma) * reached, grown)
