"""Median filter (Xu et al. 2018, "Feature Squeezing", arXiv 1704.01155)."""

from dataclasses import dataclass

import torch.nn.functional as F
from PIL import ImageFilter
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from benchmark.transforms.base import InputTransform, require


@dataclass(frozen=True)
class Median(InputTransform):
    """Replaces each pixel by the median of its square neighbourhood, channel by channel; the border is replicated.

    Args:
        size: side of the neighbourhood in pixels, odd, at least 3.
    """

    name = "median"
    size: int = 3

    def __post_init__(self) -> None:
        require(self, "size", self.size >= 3 and self.size % 2 == 1, "odd and at least 3")

    def __call__(self, pixels: Tensor) -> Tensor:
        return pil_to_tensor(to_pil_image(pixels).filter(ImageFilter.MedianFilter(self.size)))

    def smooth(self, images: Tensor) -> Tensor:
        """The median in floating point; its gradient goes to the pixel that is the median."""
        margin, (batch, channels, height, width) = self.size // 2, images.shape
        padded = F.pad(images, (margin,) * 4, mode="replicate")
        neighbours = F.unfold(padded, self.size).view(batch, channels, self.size**2, height, width)
        return neighbours.median(2).values
