"""A small step along a gradient, and whether the outputs follow it."""

from dataclasses import dataclass

import torch
from torch import Tensor

# Of a value in [0, 1]. Wide enough to cross the steps of rounding in front of a network, whose gradient is a guess.
_LENGTH = 4 / 255
_ZEROS = 0.8  # share of zeros from which on some images are moved where the gradient is zero


@dataclass(frozen=True, kw_only=True)
class GradientStep:
    """What a step of all images has done.

    Attributes:
        expected, found: (n,) float64, the rise of the combination of outputs that the gradient is of, by the gradient
            and by a pass; 0 for images that were moved elsewhere.
        moved_elsewhere: (n,) bool, the images that were moved only where their gradient is zero.
        changed: whether the outputs of any of these changed by more than rounding.
    """

    expected: Tensor
    found: Tensor
    moved_elsewhere: Tensor
    changed: bool


def combination(outputs: Tensor) -> Tensor:
    """Weights, as large as the outputs, of a fixed random combination in which they do not cancel."""
    return torch.randn(outputs.shape, generator=torch.Generator().manual_seed(0)).to(outputs)


def step_along(images: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Images (n, C, H, W) in [0, 1] after the step, and which of them (n,) were moved where the gradient is zero.

    If it is zero nearly everywhere, the second half is moved there, up and down by chance.
    """
    signs, zero = gradient.sign(), gradient == 0
    elsewhere = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    if float(zero.double().mean()) > _ZEROS:
        elsewhere[(len(images) + 1) // 2 :] = True
        chance = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)).to(images)
        signs = torch.where(elsewhere[:, None, None, None], ((chance > 0.5) * 2 - 1).to(images) * zero, signs)
    return (images + _LENGTH * signs).clamp(0, 1), elsewhere
