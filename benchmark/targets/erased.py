"""A target without any structure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.targets.base import TargetMap, TargetWithBackground


@dataclass(eq=False)
class Erased(TargetWithBackground):
    """Background everywhere, as if there were no lesion. There is only one draw.

    IoU to an empty map is 0 as long as one foreground pixel is predicted. Judges by IoU or Dice to the target therefore
    measure how much of the structure is left (see `criterion.Criterion`). For an image without structure the target is
    its own mask, which counts as too close; if the victim predicts no structure, the clean image is a success.
    """

    kind: ClassVar[str] = "erased"

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        yield TargetMap(torch.full_like(truth, self.background), self.kind)
