"""Between [0, 1] and whole numbers: the one place where images are rounded, so that a tensor and its file agree."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Quantizer:
    """The grey levels that files of so many bits can hold, 8 to 16."""

    bits: int = 8

    @property
    def highest(self) -> int:
        """The level of 1; that of 0 is 0."""
        return 2**self.bits - 1

    def to_levels(self, images: Tensor) -> Tensor:
        """Round images in [0, 1] to the nearest level (truncating would darken them); any shape -> uint8 or int32."""
        kind = torch.uint8 if self.bits == 8 else torch.int32
        return (images * self.highest).round().clamp(0, self.highest).to(kind)

    def from_levels(self, pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Levels -> [0, 1]. The division is done in float32 for every dtype, because data sets do it there."""
        return (pixels.to(torch.float32) / self.highest).to(dtype)

    def round(self, images: Tensor) -> Tensor:
        """What an image in [0, 1] becomes when it is saved as a file and read again; same shape and dtype."""
        return self.from_levels(self.to_levels(images), images.dtype)


EIGHT_BIT = Quantizer(8)
