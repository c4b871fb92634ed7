"""No structure at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.targets.base import Split, Target, TargetMap, background_of


@dataclass(eq=False)
class Erased(Target):
    """Background everywhere, as if there were no lesion. There is only one draw.

    IoU to an empty map is 0 as long as a single pixel is left, so judges by IoU or Dice to the target ask here for how
    much of the structure is left (see `criterion.Criterion`). Of an image without structure nothing can be erased: the
    target is its own mask, which counts as too close; if the victim sees none either, it is satisfied already.
    """

    kind: ClassVar[str] = "erased"

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        self._background = background_of(split, self.kind)

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        yield TargetMap(torch.full_like(truth, self._background), self.kind)
