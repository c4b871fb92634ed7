"""A faster image gradient for a network's first layer, where that is a convolution of stride 2.

Libraries for CPUs compute this gradient slowly: with the few channels of an image it takes as long as several later
layers. An image can be split into four images of half the size, one for each parity of row and column. On these the
layer is a convolution of stride 1, and so is its gradient. Forward, the original convolution is the faster one.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_MOST_CHANNELS = 4


def suits(module: nn.Module) -> bool:
    """Whether `StridedConvolution` can replace the module and is faster."""
    return (
        type(module) is nn.Conv2d
        and module.in_channels <= _MOST_CHANNELS
        and module.weight.device.type == "cpu"
        and (module.stride, module.dilation, module.groups) == ((2, 2), (1, 1), 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and len({*module.padding}) == len({*module.kernel_size}) == 1
    )


class StridedConvolution(nn.Module):
    """Computes what a convolution for which `suits` holds computes, with given weights.

    With y_i = Σ_k w_k x_{2i+k−p} and q = ⌈p/2⌉, tap t of parity r has the weight w_{2t+r−(2q−p)} and meets the image of
    that parity at i + t − q; the gradient at j is therefore the sum over t of those at j − t + q.

    Args:
        weight: (O, C, K, K).
        bias: (O,) or None.
        padding: on each side.
        dtype: of the weights, for passes in reduced precision; None: as given.
    """

    weight: Tensor
    bias: Tensor | None
    phases: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, padding: int, dtype: torch.dtype | None = None) -> None:
        weight, bias = weight.to(dtype), None if bias is None else bias.to(dtype)
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.padding = padding
        outputs, channels, size, _ = weight.shape
        ahead = -(-padding // 2)
        front = 2 * ahead - padding
        taps = -(-(size + front) // 2)
        back = 2 * taps - size - front
        phases = F.pad(weight, (front, back, front, back)).view(outputs, channels, taps, 2, taps, 2)
        phases = phases.permute(0, 1, 3, 5, 2, 4).reshape(outputs, 4 * channels, taps, taps)
        phases = phases.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
        self.register_buffer("phases", phases, persistent=False)
        self._before = taps - 1 - ahead

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, h, w); images with an odd side go through the original convolution."""
        if images.shape[-1] % 2 or images.shape[-2] % 2:
            return F.conv2d(images, self.weight, self.bias, 2, self.padding)
        return _Convolution.apply(images, self.weight, self.bias, self.phases, (self.padding, self._before))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, images: Tensor, weight: Tensor, bias: Tensor | None, phases: Tensor, margins: tuple[int, int]
    ) -> Tensor:
        padding, before = margins
        context.save_for_backward(phases)
        context.sides, context.before = images.shape[-2:], before
        return F.conv2d(images, weight, bias, 2, padding)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (phases,) = context.saved_tensors
        before, taps = context.before, phases.shape[-1]
        borders = []
        for side, length in zip(context.sides[::-1], gradient.shape[:1:-1], strict=True):
            borders += [before, side // 2 + taps - 1 - before - length]
        halves = F.conv2d(F.pad(gradient, borders), phases.to(gradient.dtype))
        return (F.pixel_shuffle(halves, 2), None, None, None, None)
