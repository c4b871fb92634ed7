"""Input transforms as cheap defences: what a model is shown instead of the 8-bit image it was given.

As `defence=NAME` no attack knows of them, and what they save a model from says nothing about an attack that does. As
`victim.transform=[NAME]` they are part of the victim: predictions are exact, gradients those of `smooth`.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from benchmark.errors import InputError


class Defence:
    """(C, H, W) uint8 -> (C, H, W) uint8.

    Attributes:
        name: by which `victim.transform` asks for it.
    """

    name: ClassVar[str]

    def __call__(self, pixels: Tensor) -> Tensor:
        """What the model is shown instead of `pixels`."""
        raise NotImplementedError

    def smooth(self, images: Tensor) -> Tensor:
        """A differentiable stand-in, (B, C, H, W) in [0, 1] -> the same, whose gradient an attack is given.

        By default the identity: the gradient goes straight through (Athalye et al. 2018, arXiv 1802.00420).
        """
        return images


@dataclass(frozen=True)
class JPEG(Defence):
    """Compression and decompression; (C, H, W) uint8 -> (C, H, W) uint8, C = 1 or 3.

    Args:
        quality: 1 to 100, as libjpeg counts; colour is subsampled as Pillow does by itself, by two each way.
    """

    name = "jpeg"
    quality: int = 75

    def __post_init__(self) -> None:
        _check("JPEG", "quality", self.quality, 1 <= self.quality <= 100, "1 to 100")

    def __call__(self, pixels: Tensor) -> Tensor:
        file = BytesIO()
        _to_picture(pixels).save(file, format="JPEG", quality=self.quality)
        with Image.open(file) as picture:
            return _to_pixels(picture)


@dataclass(frozen=True)
class BitDepth(Defence):
    """Fewer grey values: each rounded to the nearest of 2^bits evenly spaced ones (Xu et al. 2018, arXiv 1704.01155).

    (C, H, W) uint8 -> (C, H, W) uint8.

    Args:
        bits: 1 to 8 per channel; 8 changes nothing.
    """

    name = "bits"
    bits: int = 4

    def __post_init__(self) -> None:
        _check("BitDepth", "bits", self.bits, 1 <= self.bits <= 8, "1 to 8")

    def __call__(self, pixels: Tensor) -> Tensor:
        levels = 2**self.bits - 1
        return ((pixels.double() * levels / 255).round() * 255 / levels).round().to(torch.uint8)


@dataclass(frozen=True)
class Median(Defence):
    """The median of each pixel's square neighbourhood, by channel; the border is repeated outwards.

    (C, H, W) uint8 -> (C, H, W) uint8, C = 1 or 3.

    Args:
        size: of the neighbourhood's side, odd, at least 3.
    """

    name = "median"
    size: int = 3

    def __post_init__(self) -> None:
        _check("Median", "size", self.size, self.size >= 3 and self.size % 2 == 1, "odd and at least 3")

    def __call__(self, pixels: Tensor) -> Tensor:
        return _to_pixels(_to_picture(pixels).filter(ImageFilter.MedianFilter(self.size)))

    def smooth(self, images: Tensor) -> Tensor:
        """The median in floating point; its gradient goes to the pixel that was chosen."""
        margin, (batch, channels, height, width) = self.size // 2, images.shape
        padded = F.pad(images, (margin,) * 4, mode="replicate")
        around = F.unfold(padded, self.size).view(batch, channels, self.size**2, height, width)
        return around.median(2).values


@dataclass(frozen=True)
class Resize(Defence):
    """Shrunk and enlarged again, both bilinearly, antialiased when shrinking; (C, H, W) uint8 -> the same, C = 1 or 3.

    Args:
        scale: of height and width in between, above 0 and below 1; no side gets shorter than one pixel.
    """

    name = "resize"
    scale: float = 0.5

    def __post_init__(self) -> None:
        _check("Resize", "scale", self.scale, 0 < self.scale < 1, "above 0 and below 1")

    def __call__(self, pixels: Tensor) -> Tensor:
        picture = _to_picture(pixels)
        small = picture.resize([self._shrunk(side) for side in picture.size], Image.Resampling.BILINEAR)
        return _to_pixels(small.resize(picture.size, Image.Resampling.BILINEAR))

    def smooth(self, images: Tensor) -> Tensor:
        """The same in floating point."""
        height, width = images.shape[-2:]
        small = _resized(images, self._shrunk(height), self._shrunk(width))
        return _resized(small, height, width)

    def _shrunk(self, side: int) -> int:
        return max(1, round(side * self.scale))


def defences() -> dict[str, type[Defence]]:
    """The transforms there are, by name."""
    return {kind.name: kind for kind in Defence.__subclasses__()}


def _resized(images: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(images, (height, width), mode="bilinear", antialias=True)


def _check(owner: str, name: str, value: float, fits: bool, allowed: str) -> None:
    if not fits:
        raise InputError(f"{owner}: {name}={value:g}: must be {allowed}")


def _to_picture(pixels: Tensor) -> Image.Image:
    planes = pixels.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(planes[:, :, 0] if planes.shape[2] == 1 else planes)


def _to_pixels(picture: Image.Image) -> Tensor:
    planes = np.array(picture)
    return torch.from_numpy(planes[None] if planes.ndim == 2 else planes.transpose(2, 0, 1).copy())
