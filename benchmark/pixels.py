"""Between [0, 1] and 8 bits: the one place where images are rounded, so that a tensor and its file agree to the bit."""

import torch
from torch import Tensor


def to_uint8(images: Tensor) -> Tensor:
    """Round images in [0, 1] to 0..255, to the nearest (truncating would darken them); any shape -> uint8."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def from_uint8(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """0..255 -> [0, 1]. The division is done in float32 for every dtype, because data sets do it there."""
    return (pixels.to(torch.float32) / 255).to(dtype)


def round8(images: Tensor) -> Tensor:
    """What an image in [0, 1] becomes when it is saved as an 8-bit file and read again; same shape and dtype."""
    return from_uint8(to_uint8(images), images.dtype)
