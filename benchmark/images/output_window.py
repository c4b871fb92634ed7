"""The part of an image that a model predicts, for models whose output is smaller than their input.

A network without padding in its convolutions returns a smaller map than its input. Losses, judges and pixel counts
cover that window only. Images, masks and saved maps keep the size of the image, and pixels outside the window do not
count. All conversions between the two sizes are in this module.
"""

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from benchmark.errors import InputError
from benchmark.model_errors import as_call_error, model_name


class OutputWindow(NamedTuple):
    """The rows top to top + height − 1 and the columns left to left + width − 1 of an image."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def whole(cls, height: int, width: int) -> Self:
        """The window that is a whole image of this size."""
        return cls(0, 0, height, width)

    def crop(self, maps: Tensor) -> Tensor:
        """(..., H, W) -> (..., height, width)."""
        return maps[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def place(self, maps: Tensor, size: tuple[int, int], fill: Any) -> Tensor:
        """(..., height, width) -> (..., H, W) = (..., *size), with `fill` outside the window."""
        placed = torch.full((*maps.shape[:-2], *size), fill, dtype=maps.dtype, device=maps.device)
        self.crop(placed).copy_(maps)
        return placed

    def inside(self, size: tuple[int, int]) -> Tensor:
        """(H, W) = size, bool: True inside the window."""
        return self.place(torch.ones(self.height, self.width, dtype=torch.bool), size, fill=False)


class InputFrame(NamedTuple):
    """The padding of an image before it enters a network, and the part of the padded image that is predicted.

    Attributes:
        padding: left, right, top and bottom, in pixels, in the order of `torch.nn.functional.pad`.
        output: the predicted window of the padded image.
    """

    padding: tuple[int, int, int, int]
    output: OutputWindow

    def shown(self, height: int, width: int) -> OutputWindow:
        """The part of the image, height × width before padding, that is predicted."""
        left, _, top, _ = self.padding
        rows = _overlap(self.output.top - top, self.output.height, height)
        columns = _overlap(self.output.left - left, self.output.width, width)
        return OutputWindow(rows[0], columns[0], rows[1], columns[1])

    def cut(self, logits: Tensor, height: int, width: int) -> Tensor:
        """The part of the output (..., h, w) that lies inside the image, height × width before padding."""
        left, _, top, _ = self.padding
        shown = self.shown(height, width)
        rows, columns = shown.top + top - self.output.top, shown.left + left - self.output.left
        return OutputWindow(rows, columns, shown.height, shown.width).crop(logits)


def window_of(model: Any, height: int, width: int) -> OutputWindow:
    """The part of an image height × width that the model predicts: from its method `window`, else the whole image.

    Raises InputError if the method fails or returns something else.
    """
    window = getattr(model, "window", None)
    if window is None:
        return OutputWindow.whole(height, width)
    with as_call_error(model, f"asked for its window of {height} x {width} pixels"):
        found = window(height, width)
    if not isinstance(found, OutputWindow):
        raise InputError(
            f"victim {model_name(model)} gives {type(found).__name__} as its window; return an OutputWindow, or leave "
            "the method window out"
        )
    return found


def _overlap(start: int, length: int, limit: int) -> tuple[int, int]:
    """Start and length of the overlap of [start, start + length) and [0, limit)."""
    first = max(start, 0)
    return first, max(min(start + length, limit) - first, 0)
