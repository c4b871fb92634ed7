"""What an input transform is, and how pixels become a Pillow picture and come back."""

from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmark.errors import InputError


class InputTransform:
    """Changes an 8-bit image before a model sees it: (C, H, W) uint8 -> (C, H, W) uint8.

    Attributes:
        name: the transform's name in `victim.transform`.
    """

    name: ClassVar[str]

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the image that the model sees instead of `pixels`."""
        raise NotImplementedError

    def smooth(self, images: Tensor) -> Tensor:
        """A differentiable approximation, (B, C, H, W) in [0, 1] -> the same; attacks get its gradient.

        The default is the identity: gradients pass straight through (Athalye et al. 2018, arXiv 1802.00420).
        """
        return images


def require(transform: InputTransform, name: str, condition: bool, allowed: str) -> None:
    """Raise InputError for the parameter `name` of a transform unless the condition holds."""
    if not condition:
        raise InputError(f"{type(transform).__name__}: {name}={getattr(transform, name):g}: must be {allowed}")


def to_picture(pixels: Tensor) -> Image.Image:
    """(C, H, W) uint8, C = 1 or 3, as a Pillow picture."""
    planes = pixels.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(planes[:, :, 0] if planes.shape[2] == 1 else planes)


def to_pixels(picture: Image.Image) -> Tensor:
    """A grey or RGB Pillow picture as (C, H, W) uint8."""
    planes = np.array(picture)
    return torch.from_numpy(planes[None] if planes.ndim == 2 else planes.transpose(2, 0, 1).copy())
