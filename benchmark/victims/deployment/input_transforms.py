"""Input transforms in front of a network: predictions are exact, gradients those of smooth approximations."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.images.quantisation import EIGHT_BIT
from benchmark.transforms import InputTransform


def in_front(images: Tensor, transforms: Sequence[InputTransform]) -> Tensor:
    """The network's input for images (B, C, H, W) in [0, 1]: rounded to 8 bits and transformed by each in turn.

    The values are those of the transforms of files, image by image, on the CPU; the gradient is that of their `smooth`
    approximations (backward pass differentiable approximation, Athalye et al. 2018, arXiv 1802.00420).
    """
    for transform in transforms:
        shown = [transform(pixels) for pixels in EIGHT_BIT.to_levels(images.detach()).cpu()]
        exact = EIGHT_BIT.from_levels(torch.stack(shown).to(images.device), images.dtype)
        if images.requires_grad:
            smooth = transform.smooth(images)
            exact = exact + (smooth - smooth.detach())
        images = exact
    return images
