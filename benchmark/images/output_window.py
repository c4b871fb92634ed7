"""Models that show less than they see: which part of an image the logits are of.

A network of valid convolutions returns logits of a smaller map than it was given. Losses, judges and counts are about
that window alone; everything else (pictures, masks, saved maps) stays at the image's size, and pixels outside the
window do not count. This is the one place where the two sizes meet.
"""

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor


class OutputWindow(NamedTuple):
    """Rows top to top + height and columns left to left + width of an image."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def whole(cls, height: int, width: int) -> Self:
        """All of an image of that size."""
        return cls(0, 0, height, width)

    def crop(self, maps: Tensor) -> Tensor:
        """(..., H, W) -> (..., height, width)."""
        return maps[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def place(self, maps: Tensor, size: tuple[int, int], fill: Any) -> Tensor:
        """(..., height, width) -> (..., H, W), `size` being (H, W), with `fill` around it."""
        placed = torch.full((*maps.shape[:-2], *size), fill, dtype=maps.dtype, device=maps.device)
        self.crop(placed).copy_(maps)
        return placed

    def inside(self, size: tuple[int, int]) -> Tensor:
        """(H, W) bool, True in the window."""
        return self.place(torch.ones(self.height, self.width, dtype=torch.bool), size, fill=False)


class InputFrame(NamedTuple):
    """How an image lies in what a network takes, and what of that the network's output is of.

    Attributes:
        padding: left, right, top, bottom, in pixels, as `torch.nn.functional.pad` takes them.
        output: in the padded image.
    """

    padding: tuple[int, int, int, int]
    output: OutputWindow

    def shown(self, height: int, width: int) -> OutputWindow:
        """The part of the image, H × W before padding, that the output is of."""
        left, _, top, _ = self.padding
        rows = _overlap(self.output.top - top, self.output.height, height)
        columns = _overlap(self.output.left - left, self.output.width, width)
        return OutputWindow(rows[0], columns[0], rows[1], columns[1])

    def cut(self, logits: Tensor, height: int, width: int) -> Tensor:
        """The part of the output (..., h, w) that is of the image, H × W before padding."""
        left, _, top, _ = self.padding
        shown = self.shown(height, width)
        rows, columns = shown.top + top - self.output.top, shown.left + left - self.output.left
        return OutputWindow(rows, columns, shown.height, shown.width).crop(logits)


def window_of(model: Any, height: int, width: int) -> OutputWindow:
    """The part of an image H × W that the model's logits are of: what its method `window` says, else all of it."""
    said = getattr(model, "window", None)
    return OutputWindow.whole(height, width) if said is None else said(height, width)


def _overlap(start: int, length: int, limit: int) -> tuple[int, int]:
    """Beginning and length of what start to start + length has in common with 0 to limit."""
    first = max(start, 0)
    return first, max(min(start + length, limit) - first, 0)
