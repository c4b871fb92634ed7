"""The U-Net of valid convolutions, whose output is smaller than its input: 572 × 572 pixels in, 388 × 388 out."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.errors import InputError


class ValidUNet(nn.Module):
    """U-Net as published (Ronneberger et al. 2015, arXiv 1505.04597, figure 1), of any widths; no batch norm.

    Every level has two 3 × 3 convolutions without padding, each followed by ReLU. On the way down there are 2 × 2 max
    poolings, on the way up 2 × 2 transposed convolutions, whose result is concatenated with the centre of the level's
    features; at the end a 1 × 1 convolution. Weights are drawn as in section 3.1 of the paper, from a Gaussian of
    variance 2 / fan-in, so that the network trains without normalisation.

    Args:
        channels, outputs: channels of the images; logits per pixel.
        widths: channels of the levels, from the top. The ASMA paper's 32 to 512 are half the original's.
    """

    def __init__(self, channels: int = 3, outputs: int = 2, widths: Sequence[int] = (32, 64, 128, 256, 512)) -> None:
        super().__init__()
        widths = _checked(widths)
        up = widths[::-1]
        self.down = nn.ModuleList(_convolutions(*pair) for pair in pairwise([channels, *widths]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(*pair, kernel_size=2, stride=2) for pair in pairwise(up))
        self.merge = nn.ModuleList(_convolutions(2 * width, width) for width in up[1:])
        self.head = nn.Conv2d(widths[0], outputs, kernel_size=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, outputs, h, w) of the centre of images (B, channels, H, W); (h, w) is `output_size(H, W)`."""
        self.output_size(*images.shape[-2:])
        features, passed = images, []
        for level, convolutions in enumerate(self.down):
            features = convolutions(F.max_pool2d(features, 2) if level else features)
            passed.append(features)
        for up, convolutions, skipped in zip(self.up, self.merge, passed[-2::-1], strict=True):
            features = up(features)
            features = convolutions(torch.cat([features, _centre(skipped, features)], dim=1))
        return self.head(features)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input H × W. Raises InputError where pooling would leave a rest."""
        return self._output(height), self._output(width)

    def _output(self, size: int) -> int:
        output = self._try(size)
        if output is None:
            fitting = [side for side in range(size, size + 2 ** len(self.down) * 16) if self._try(side)][:2]
            raise InputError(
                f"a valid U-Net of {len(self.down)} levels takes no side of {size} pixels; "
                f"give victim.input_size={' or '.join(map(str, fitting))}, to which images are padded"
            )
        return output

    def _try(self, size: int) -> int | None:
        """The output's side for an input's; None if there is none."""
        sides = []
        for level in range(len(self.down)):
            if level and size % 2:
                return None
            size = (size // 2 if level else size) - 4
            sides.append(size)
        for skipped in sides[-2::-1]:
            size *= 2
            if size < 1 or (skipped - size) % 2:
                return None
            size -= 4
        return size if size > 0 else None


def _checked(widths: Sequence[int]) -> list[int]:
    if not isinstance(widths, list | tuple) or len(widths) < 2 or not all(type(w) is int and w > 0 for w in widths):
        raise InputError(
            f"victim.options.widths={widths!r}: give the channels of two or more levels, such as [32,64,128,256,512]"
        )
    return list(widths)


def _convolutions(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU())


def _centre(features: Tensor, like: Tensor) -> Tensor:
    top, left = ((have - need) // 2 for have, need in zip(features.shape[-2:], like.shape[-2:], strict=True))
    return features[..., top : top + like.shape[-2], left : left + like.shape[-1]]
