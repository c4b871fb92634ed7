"""Convolutions that keep one memory layout and skip the taps that only ever meet padding."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def suits(module: nn.Module) -> bool:
    """Whether `Convolution` can replace the module."""
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)


class Convolution(nn.Module):
    """Computes what a convolution for which `suits` holds computes, with given weights.

    Networks lose the layout of their inputs on the way: a tensor of one pixel has no layout, and neither has what is
    concatenated with it. Every later convolution would convert its input to its own layout and back.

    The atrous convolutions of DeepLab reach far. Where the features are no larger than the dilation, all taps but the
    middle one meet nothing but padding. They are left out.

    Args:
        module: the convolution to replace; gives stride, padding, dilation and groups.
        weight: (O, C / groups, K, L).
        bias: (O,) or None.
        channels_last: convert inputs to this layout; False: take them as they are.
        dtype: of the weights, for passes in reduced precision; None: as given.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        module: nn.Conv2d,
        weight: Tensor,
        bias: Tensor | None,
        *,
        channels_last: bool,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        assert not isinstance(module.padding, str)
        self.register_buffer("weight", weight.to(dtype), persistent=False)
        self.register_buffer("bias", None if bias is None else bias.to(dtype), persistent=False)
        self.channels_last = channels_last
        self.stride, self.dilation, self.groups = module.stride, module.dilation, module.groups
        self.padding = (*module.padding,)
        self._cropped: dict[tuple[int, ...], Tensor] = {}

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, h, w)."""
        features = laid_out(features, self.channels_last)
        axes = zip(features.shape[2:], self.weight.shape[2:], self.stride, self.padding, self.dilation, strict=True)
        margins = (0, 0) if self.dilation == (1, 1) else tuple(idle_taps(*axis) for axis in axes)
        padding = [p - m * d for p, m, d in zip(self.padding, margins, self.dilation, strict=True)]
        weight = self._without(margins) if any(margins) else self.weight
        return F.conv2d(features, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _without(self, margins: tuple[int, ...]) -> Tensor:
        """The weights without so many rows and columns on either side."""
        if margins not in self._cropped:
            (top, left), (height, width) = margins, self.weight.shape[2:]
            inner = self.weight[:, :, top : height - top, left : width - left]
            self._cropped[margins] = laid_out(inner.contiguous(), self.channels_last)
        return self._cropped[margins]


def laid_out(values: Tensor, channels_last: bool) -> Tensor:
    """The same (B, C, H, W) channels-last, or as they are."""
    return values.contiguous(memory_format=torch.channels_last) if channels_last else values


def idle_taps(length: int, taps: int, stride: int, padding: int, dilation: int) -> int:
    """How many taps on either side of a kernel meet nothing but padding, along one axis.

    Tap t meets the places i · stride + t · dilation − padding of an input of this length, i counting the outputs.
    """
    last = (length + 2 * padding - dilation * (taps - 1) - 1) // stride * stride
    before = sum(last + t * dilation < padding for t in range(taps))
    behind = sum(t * dilation - padding >= length for t in range(taps))
    return min(before, behind, padding // dilation)
