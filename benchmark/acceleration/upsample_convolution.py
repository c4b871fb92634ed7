"""Decoder blocks that enlarge features by two and convolve them: both at once.

Each pixel of features enlarged to the nearest is there four times, and a 3 × 3 convolution of them sees only 2 × 2
different ones. With the weights of taps that see the same pixel added up it is a transposed convolution of the small
features, of 4 × 4 taps and stride 2, which multiplies less than half as often and needs no enlarged features. What is
joined to them from the encoder is convolved by itself.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.acceleration.convolution import laid_out

_BLOCKS = {
    "segmentation_models_pytorch.decoders.unet.decoder.UnetDecoderBlock",
    "segmentation_models_pytorch.decoders.unetplusplus.decoder.DecoderBlock",
    "segmentation_models_pytorch.decoders.manet.decoder.DecoderBlock",
}
"""By name, so that no library is loaded to look for them."""


def first_convolution(block: nn.Module) -> nn.Conv2d | None:
    """Of a block that `EnlargingBlock` can stand in for and is worth it, on CPUs; None of any other module."""
    kind = type(block)
    if f"{kind.__module__}.{kind.__qualname__}" not in _BLOCKS or block.interpolation_mode != "nearest":
        return None
    first, attention = getattr(block, "conv1", None), getattr(block, "attention1", None)
    if first is None or first._forward_hooks or first._forward_pre_hooks:
        return None
    convolution = first[0]
    fits = (
        (attention is None or isinstance(attention.attention, nn.Identity))
        and type(convolution) is nn.Conv2d
        and convolution.weight.device.type == "cpu"
        and (convolution.kernel_size, convolution.padding) == ((3, 3), (1, 1))
        and (convolution.stride, convolution.dilation, convolution.groups) == ((1, 1), (1, 1), 1)
        and convolution.padding_mode == "zeros"
    )
    return convolution if fits else None


class FusedUpsampleConv:
    """Does what a block with a `first_convolution` does, with given weights of that.

    Args:
        block: what it stands in for.
        weight: (O, C, 3, 3), of the enlarged channels first and of those that are joined to them.
        bias: (O,) or None.
        channels_last: the layout of features and weights; else as they come.
        dtype: of the weights, where passes are made in a reduced one.
    """

    def __init__(
        self,
        block: nn.Module,
        weight: Tensor,
        bias: Tensor | None,
        channels_last: bool,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._block, self._weight, self._channels_last, self._dtype = block, weight, channels_last, dtype
        self._bias = None if bias is None else bias.to(dtype)
        self._parts: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, features: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Features (B, C, H, W) and what is joined to them, if anything, (B, D, 2H, 2W) -> (B, O, 2H, 2W).

        Where another size is asked for, which the arguments may name, the block itself does it.
        """
        given = [*args, *kwargs.values()]
        joined = next((value for value in given if isinstance(value, Tensor)), None)
        sizes = [value for value in given if isinstance(value, int)] or [2 * side for side in features.shape[2:]]
        if sizes != [2 * side for side in features.shape[2:]]:
            return type(self._block).forward(self._block, features, *args, **kwargs)
        transposed, rest = self._split(features.shape[1])
        features = laid_out(features, self._channels_last)
        found = F.conv_transpose2d(features, transposed, self._bias, stride=2, padding=1)
        if joined is not None:
            found = found + F.conv2d(laid_out(joined, self._channels_last), rest, padding=1)
        block: Any = self._block
        for module in list(block.conv1)[1:]:
            found = module(found)
        found = block.conv2(found)
        return block.attention2(found) if hasattr(block, "attention2") else found

    def _split(self, channels: int) -> tuple[Tensor, Tensor]:
        """Weights for so many enlarged channels, transposed, and for the others."""
        if channels not in self._parts:
            self._parts[channels] = (
                self._made(enlarging(self._weight[:, :channels])),
                self._made(self._weight[:, channels:]),
            )
        return self._parts[channels]

    def _made(self, weight: Tensor) -> Tensor:
        return laid_out(weight.to(self._dtype).contiguous(), self._channels_last)


def enlarging(weight: Tensor) -> Tensor:
    """Weights (C, O, 4, 4) of the transposed convolution, stride 2, padding 1, that does what enlarging by two to the
    nearest and then convolving with weights (O, C, 3, 3), padding 1, do; added up in float64.

    Output p takes tap t to the enlarged pixel q = p + t − 1 = 2i + r, whose original is i; the transposed convolution
    takes tap p + 1 − 2i = r − t + 2 to it. That tap's weight is therefore the sum over t and r of those that agree.
    """
    outputs, channels = weight.shape[:2]
    taps = F.pad(weight.double().flip(2, 3).reshape(-1, 1, 3, 3), [1] * 4)
    sums = F.conv2d(taps, torch.ones(1, 1, 2, 2, dtype=torch.float64, device=weight.device))
    return sums.view(outputs, channels, 4, 4).transpose(0, 1).to(weight.dtype)
