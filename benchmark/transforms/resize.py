"""Loss of resolution."""

from dataclasses import dataclass

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmark.transforms.base import InputTransform, require, to_picture, to_pixels


@dataclass(frozen=True)
class Resize(InputTransform):
    """Shrinks an image and enlarges it again, both bilinearly; shrinking is antialiased.

    (C, H, W) uint8 -> (C, H, W) uint8, C = 1 or 3.

    Args:
        scale: factor of height and width, above 0 and below 1; a side keeps at least one pixel.
    """

    name = "resize"
    scale: float = 0.5

    def __post_init__(self) -> None:
        require(self, "scale", 0 < self.scale < 1, "above 0 and below 1")

    def __call__(self, pixels: Tensor) -> Tensor:
        picture = to_picture(pixels)
        small = picture.resize([self._shrunk(side) for side in picture.size], Image.Resampling.BILINEAR)
        return to_pixels(small.resize(picture.size, Image.Resampling.BILINEAR))

    def smooth(self, images: Tensor) -> Tensor:
        """The same in floating point."""
        height, width = images.shape[-2:]
        small = _interpolated(images, self._shrunk(height), self._shrunk(width))
        return _interpolated(small, height, width)

    def _shrunk(self, side: int) -> int:
        return max(1, round(side * self.scale))


def _interpolated(images: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(images, (height, width), mode="bilinear", antialias=True)
