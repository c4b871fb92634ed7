"""Fewer grey levels (Xu et al. 2018, "Feature Squeezing", arXiv 1704.01155)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.transforms.base import InputTransform, require


@dataclass(frozen=True)
class BitDepth(InputTransform):
    """Rounds each value to the nearest of 2^bits evenly spaced levels.

    Args:
        bits: 1 to 8 per channel; 8 changes nothing.
    """

    name = "bits"
    bits: int = 4

    def __post_init__(self) -> None:
        require(self, "bits", 1 <= self.bits <= 8, "1 to 8")

    def __call__(self, pixels: Tensor) -> Tensor:
        levels = 2**self.bits - 1
        return ((pixels.double() * levels / 255).round() * 255 / levels).round().to(torch.uint8)
