"""Loss of resolution."""

from dataclasses import dataclass

import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from benchmark.transforms.base import InputTransform, require


@dataclass(frozen=True)
class Resize(InputTransform):
    """Shrinks an image and enlarges it again, both bilinearly; shrinking is antialiased.

    Args:
        scale: factor of height and width, above 0 and below 1; a side keeps at least one pixel.
    """

    name = "resize"
    scale: float = 0.5

    def __post_init__(self) -> None:
        require(self, "scale", 0 < self.scale < 1, "above 0 and below 1")

    def __call__(self, pixels: Tensor) -> Tensor:
        picture = to_pil_image(pixels)
        small = picture.resize([self._shrunk(side) for side in picture.size], Image.Resampling.BILINEAR)
        return pil_to_tensor(small.resize(picture.size, Image.Resampling.BILINEAR))

    def smooth(self, images: Tensor) -> Tensor:
        """The same in floating point."""
        height, width = images.shape[-2:]
        small = F.interpolate(images, (self._shrunk(height), self._shrunk(width)), mode="bilinear", antialias=True)
        return F.interpolate(small, (height, width), mode="bilinear", antialias=True)

    def _shrunk(self, side: int) -> int:
        return max(1, round(side * self.scale))
