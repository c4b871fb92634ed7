"""What an input transform is."""

from typing import ClassVar

from torch import Tensor

from benchmark.errors import InputError


class InputTransform:
    """Changes an 8-bit image before a model sees it: (C, H, W) uint8, C = 1 or 3, -> (C, H, W) uint8."""

    name: ClassVar[str]
    """The transform's name in `victim.transform`."""

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
