"""What the kinds share that change an image's own mask."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark.images.label_maps import VOID
from benchmark.targets.base import Split, Target, TargetMap, background_of, structure


@dataclass(eq=False)
class Transformed(Target):
    """The image's own mask, changed.

    A change after which too little of the structure is left on the image is passed over, unless all are like that: then
    the one that leaves most is drawn. An image without structure keeps its own mask, which counts as too close.
    """

    least: ClassVar[float] = 0
    """How much of its number of pixels the structure has to keep; always at least one."""

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        self.background = background_of(split, self.kind)

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        own = truth.masked_fill(~valid, VOID)
        pixels = self._pixels(own)
        if not pixels:
            yield TargetMap(own, self.kind)
            return
        lost: list[TargetMap] = []
        drawn = False
        for changed in self.changes(image_id, own):
            if self._pixels(changed.mask) >= max(1, self.least * pixels):
                drawn = True
                yield changed
            else:
                lost.append(changed)
        if not drawn:
            yield max(lost, key=lambda one: self._pixels(one.mask))

    @abstractmethod
    def changes(self, image_id: str, own: Tensor) -> Iterator[TargetMap]:
        """One or more changed maps of `own` (H, W) int64, which has a structure and is `VOID` where nothing is known.

        What comes in from outside the image is background.
        """

    def _pixels(self, mask: Tensor) -> int:
        return int(structure(mask, self.background).sum())
