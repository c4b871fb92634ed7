"""Resizing as the library's processors resize, with a gradient."""

from typing import Any

import torch
from torch import Tensor

NEAREST, LANCZOS, BICUBIC = 0, 1, 3
"""Filters, by Pillow's numbers."""


def resize(images: Tensor, size: tuple[int, int], resample: int, antialias: bool = True) -> Tensor:
    """Images (B, C, H, W) at `size`, (B, C, h, w), in floating point: linear in the images.

    Args:
        images: of float32 or float64.
        size: h, w.
        resample: the filter, by Pillow's number.
        antialias: whether the filter is widened where images shrink.
    """
    if tuple(images.shape[-2:]) == size:
        return images
    if resample == NEAREST:
        return _nearest(images, size)
    if resample == LANCZOS and images.device.type != "cpu":
        resample = BICUBIC  # torchvision has Lanczos on the CPU only
    return _library_resize(images, size, resample, antialias)


def _nearest(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The pixels that torchvision takes for 8-bit images; in float64 it would round some positions differently."""
    height, width = images.shape[-2:]
    rows = _library_resize(torch.arange(height, dtype=torch.float32).view(1, 1, -1, 1), (size[0], 1), NEAREST)
    columns = _library_resize(torch.arange(width, dtype=torch.float32).view(1, 1, 1, -1), (1, size[1]), NEAREST)
    rows, columns = (index.flatten().long().to(images.device) for index in (rows, columns))
    return images[..., rows, :][..., columns]


def _library_resize(images: Tensor, size: tuple[int, int], resample: int, antialias: bool = True) -> Tensor:
    from torchvision.transforms.v2 import functional
    from transformers.image_utils import pil_torch_interpolation_mapping

    filters: Any = pil_torch_interpolation_mapping
    resized: Tensor = functional.resize(images, list(size), interpolation=filters[resample], antialias=antialias)
    return resized
