"""Logits of images that are larger than a network's input: the mean over overlapping windows."""

from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Weighting = Literal["gaussian", "constant"]
WEIGHTINGS: tuple[str, ...] = get_args(Weighting)
_SIGMA = 1 / 8  # of a window's side, as nnU-Net has it


def slide(
    network: Callable[[Tensor], Tensor],
    images: Tensor,
    size: tuple[int, int],
    overlap: float = 0.5,
    weighting: Weighting | Tensor = "gaussian",
) -> Tensor:
    """Weighted mean of the logits of windows that cover the images; differentiable.

    Windows lie as in nnU-Net (Isensee et al. 2021, doi 10.1038/s41592-020-01008-z): as few as the overlap allows,
    evenly spread from border to border. Images smaller than a window are padded at the bottom and right by repeating
    their border, and the logits cropped.

    Args:
        network: windows (B, C, h, w) -> logits (B, K, h, w).
        images: (B, C, H, W).
        size: h, w.
        overlap: of neighbouring windows, at least this share of their side; at least 0 and below 1.
        weighting: "gaussian", so that a window's centre counts more than its border, "constant", or weights (h, w).

    Returns:
        (B, K, H, W).
    """
    height, width = images.shape[-2:]
    images = F.pad(images, (0, max(0, size[1] - width), 0, max(0, size[0] - height)), mode="replicate")
    weights = (weighting if isinstance(weighting, Tensor) else _weights(size, weighting)).to(images)
    total = images.new_zeros(())
    counts = images.new_zeros(images.shape[-2:])
    for top in starts(images.shape[-2], size[0], overlap):
        for left in starts(images.shape[-1], size[1], overlap):
            logits = network(images[..., top : top + size[0], left : left + size[1]])
            around = (left, images.shape[-1] - left - size[1], top, images.shape[-2] - top - size[0])
            total = total + F.pad(logits * weights, around)
            counts = counts + F.pad(weights, around)
    return (total / counts)[..., :height, :width]


def starts(length: int, size: int, overlap: float) -> list[int]:
    """Where windows of `size` begin along a side of `length`, the first at 0 and the last at its end."""
    steps = ceil((length - size) / (size * (1 - overlap)) - 1e-9)
    return [round((length - size) * i / steps) for i in range(steps + 1)] if steps > 0 else [0]


@lru_cache(maxsize=8)
def _weights(size: tuple[int, int], weighting: Weighting) -> Tensor:
    if weighting == "constant":
        return torch.ones(size, dtype=torch.float64)
    sides = []
    for side in size:
        away = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
        sides.append(torch.exp(-0.5 * (away / (side * _SIGMA)) ** 2))
    return sides[0][:, None] * sides[1][None]
