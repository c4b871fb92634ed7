"""Convolutions as the passes of an attack like them: in one layout, and without taps that only ever meet padding."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def suits(module: nn.Module) -> bool:
    """Whether `Convolution` can stand in for the module, a plain convolution."""
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)


class Convolution:
    """Does what a convolution for which `suits` holds does, with given weights.

    Networks lose the layout of their inputs on the way: what has one pixel only has no layout, and what is joined with
    it has none afterwards. All later convolutions would convert to their own and back.

    The atrous convolutions of DeepLab reach far: where the features are no larger than the dilation, all taps but the
    middle one meet nothing but padding. They are left out.

    Args:
        module: what it stands in for.
        weight: (O, C / groups, K, L).
        bias: (O,) or None.
        channels_last: the layout; else as it comes.
        dtype: of the weights, where passes are made in a reduced one.
    """

    def __init__(
        self,
        module: nn.Conv2d,
        weight: Tensor,
        bias: Tensor | None,
        channels_last: bool,
        dtype: torch.dtype | None = None,
    ) -> None:
        assert not isinstance(module.padding, str)
        weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
        self._weight, self._bias, self._channels_last = weight, bias, channels_last
        self._stride, self._dilation, self._groups = module.stride, module.dilation, module.groups
        self._padding = (*module.padding,)
        self._cropped: dict[tuple[int, ...], Tensor] = {(0, 0): weight}

    def __call__(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, h, w)."""
        features = laid_out(features, self._channels_last)
        axes = zip(features.shape[2:], self._weight.shape[2:], self._stride, self._padding, self._dilation, strict=True)
        margins = (0, 0) if self._dilation == (1, 1) else tuple(idle_taps(*axis) for axis in axes)
        padding = [p - m * d for p, m, d in zip(self._padding, margins, self._dilation, strict=True)]
        return F.conv2d(features, self._kept(margins), self._bias, self._stride, padding, self._dilation, self._groups)

    def _kept(self, margins: tuple[int, ...]) -> Tensor:
        """The weights without so many rows and columns on either side."""
        if margins not in self._cropped:
            (top, left), (height, width) = margins, self._weight.shape[2:]
            kept = self._weight[:, :, top : height - top, left : width - left]
            self._cropped[margins] = laid_out(kept.contiguous(), self._channels_last)
        return self._cropped[margins]


def laid_out(values: Tensor, channels_last: bool) -> Tensor:
    """The same (B, C, H, W) in the layout, or as they are."""
    return values.contiguous(memory_format=torch.channels_last) if channels_last else values


def idle_taps(length: int, taps: int, stride: int, padding: int, dilation: int) -> int:
    """How many taps on either side of a kernel meet nothing but padding, along one axis.

    Tap t meets the places i · stride + t · dilation − padding of an input of this length, i counting the outputs.
    """
    last = (length + 2 * padding - dilation * (taps - 1) - 1) // stride * stride
    before = sum(last + t * dilation < padding for t in range(taps))
    behind = sum(t * dilation - padding >= length for t in range(taps))
    return min(before, behind, padding // dilation)
