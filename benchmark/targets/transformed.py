"""The base of the targets that change an image's own mask."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark.images.label_maps import VOID
from benchmark.targets.base import TargetMap, TargetWithBackground, structure


@dataclass(eq=False)
class Transformed(TargetWithBackground):
    """The image's own mask after a change.

    A change that leaves too little of the structure inside the image is skipped. If all do, the one that leaves most is
    drawn. The target of an image without structure is its own mask, which counts as too close.
    """

    least: ClassVar[float] = 0
    """Fraction of its pixels that the structure has to keep; at least one pixel."""

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        mask = truth.masked_fill(~valid, VOID)
        pixels = self._pixels(mask)
        if not pixels:
            yield TargetMap(mask, self.kind)
            return
        skipped: list[TargetMap] = []
        has_drawn = False
        for changed in self.changes(image_id, mask):
            if self._pixels(changed.mask) >= max(1, self.least * pixels):
                has_drawn = True
                yield changed
            else:
                skipped.append(changed)
        if not has_drawn:
            yield max(skipped, key=lambda one: self._pixels(one.mask))

    @abstractmethod
    def changes(self, image_id: str, mask: Tensor) -> Iterator[TargetMap]:
        """Yield one or more changed maps of `mask` (H, W) int64, which has a structure and is `VOID` where not valid.

        Pixels that come from outside the image are background.
        """

    def _pixels(self, mask: Tensor) -> int:
        return int(structure(mask, self.background).sum())
