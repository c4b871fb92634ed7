"""Input transforms in front of a network: predictions are exact, and gradients get past them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.images.quantisation import from_uint8, to_uint8
from benchmark.transforms import InputTransform


def in_front(images: Tensor, transforms: Sequence[InputTransform]) -> Tensor:
    """What the network is shown instead of images (B, C, H, W) in [0, 1]: rounded to 8 bits and transformed, in turn.

    The values are those of the transforms on files, image by image, on the CPU; the gradient is that of their `smooth`
    stand-ins (backward pass differentiable approximation, Athalye et al. 2018, arXiv 1802.00420).
    """
    for transform in transforms:
        shown = [transform(pixels) for pixels in to_uint8(images.detach()).cpu()]
        exact = from_uint8(torch.stack(shown).to(images.device), images.dtype)
        images = _with_gradient_of(transform.smooth(images), exact) if images.requires_grad else exact
    return images


def _with_gradient_of(smooth: Tensor, exact: Tensor) -> Tensor:
    return exact + (smooth - smooth.detach())
