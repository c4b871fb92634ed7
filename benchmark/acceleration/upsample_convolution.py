"""Decoder blocks that enlarge features by two and convolve them, fused into one operation.

Nearest-neighbour enlargement repeats each pixel four times, so a 3 × 3 convolution of the result sees only 2 × 2
different pixels. Add up the weights of the taps that see the same pixel, and both operations become one transposed
convolution of the small features, with 4 × 4 taps and stride 2. It needs less than half of the multiplications and no
enlarged features. The skip connection is convolved separately.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.acceleration.batchnorm_folding import has_hooks
from benchmark.acceleration.convolution import laid_out

_BLOCKS = {
    "segmentation_models_pytorch.decoders.unet.decoder.UnetDecoderBlock",
    "segmentation_models_pytorch.decoders.unetplusplus.decoder.DecoderBlock",
    "segmentation_models_pytorch.decoders.manet.decoder.DecoderBlock",
}
"""Given by name, so that the library need not be imported."""


def first_convolution(block: nn.Module) -> nn.Conv2d | None:
    """The first convolution of a block that `FusedUpsampleConv` can replace with profit, on CPUs; None for others."""
    kind = type(block)
    if f"{kind.__module__}.{kind.__qualname__}" not in _BLOCKS or block.interpolation_mode != "nearest":
        return None
    first, attention = getattr(block, "conv1", None), getattr(block, "attention1", None)
    if first is None or has_hooks(first):
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


class FusedUpsampleConv(nn.Module):
    """Computes what a block with a `first_convolution` computes, with given weights for that.

    Args:
        block: the block to replace. Its later layers are used, and the block itself where it does not enlarge by two.
        weight: (O, C, 3, 3), for the enlarged channels first and then for those that are concatenated to them.
        bias: (O,) or None.
        channels_last: the layout of features and weights; False: as they are.
        dtype: of the weights, for passes in reduced precision; None: as given.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        block: nn.Module,
        weight: Tensor,
        bias: Tensor | None,
        *,
        channels_last: bool,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.block, self.channels_last, self.dtype = block, channels_last, dtype
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", None if bias is None else bias.to(dtype), persistent=False)
        self._split: dict[int, tuple[Tensor, Tensor]] = {}

    def forward(self, features: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Features (B, C, H, W) and, if there is one, a skip connection (B, D, 2H, 2W) -> (B, O, 2H, 2W).

        The arguments may name another size than twice the features'; then the block itself computes it.
        """
        arguments = [*args, *kwargs.values()]
        skip = next((value for value in arguments if isinstance(value, Tensor)), None)
        doubled = [2 * side for side in features.shape[2:]]
        if ([value for value in arguments if isinstance(value, int)] or doubled) != doubled:
            return self.block(features, *args, **kwargs)
        transposed, remaining = self._weights_for(features.shape[1])
        features = laid_out(features, self.channels_last)
        output = F.conv_transpose2d(features, transposed, self.bias, stride=2, padding=1)
        if skip is not None:
            output = output + F.conv2d(laid_out(skip, self.channels_last), remaining, padding=1)
        block: Any = self.block
        for module in list(block.conv1)[1:]:
            output = module(output)
        output = block.conv2(output)
        return block.attention2(output) if hasattr(block, "attention2") else output

    def _weights_for(self, channels: int) -> tuple[Tensor, Tensor]:
        """Weights for so many enlarged channels, transposed, and for the others."""
        if channels not in self._split:
            enlarged, skipped = self.weight[:, :channels], self.weight[:, channels:]
            self._split[channels] = self._converted(enlarging(enlarged)), self._converted(skipped)
        return self._split[channels]

    def _converted(self, weight: Tensor) -> Tensor:
        return laid_out(weight.to(self.dtype).contiguous(), self.channels_last)


def enlarging(weight: Tensor) -> Tensor:
    """Weights (C, O, 4, 4) of the transposed convolution, stride 2, padding 1, that does what nearest-neighbour
    enlargement by two and a convolution with weights (O, C, 3, 3), padding 1, do; added up in float64.

    Output p takes tap t to the enlarged pixel q = p + t − 1 = 2i + r, whose original is i; the transposed convolution
    takes tap p + 1 − 2i = r − t + 2 to it. That tap's weight is therefore the sum over t and r of those that agree.
    """
    outputs, channels = weight.shape[:2]
    taps = F.pad(weight.double().flip(2, 3).reshape(-1, 1, 3, 3), [1] * 4)
    sums = F.conv2d(taps, torch.ones(1, 1, 2, 2, dtype=torch.float64, device=weight.device))
    return sums.view(outputs, channels, 4, 4).transpose(0, 1).to(weight.dtype)
