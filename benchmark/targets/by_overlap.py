"""The mask of the image whose mask is most, or least, like the image's own."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark import metrics
from benchmark.images.label_maps import VOID
from benchmark.targets.base import Split, TargetMap, structure
from benchmark.targets.other_image import OtherImage

SIDE = 128  # pixels, at most, of the maps that are compared; where these are not smaller the order is exact
_TOGETHER = 256  # maps


@dataclass(eq=False)
class ByOverlap(OtherImage):
    """All other masks of the split in the order of their IoU to the image's own.

    Who comes first is a matter of the whole split: all its masks are read once, at no more than `SIDE` pixels, and each
    image's is compared with all of them. Masks of equal IoU come in the order of the seeded pairing, lest the first
    image by name be everybody's target.
    """

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        self._maps: Tensor | None = None

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        others = self.others(image_id)
        processes = self._processes(others, _small(truth.masked_fill(~valid, VOID)))
        for place in sorted(range(len(others)), key=processes.__getitem__):
            yield TargetMap(self.split.masks(others[place]), f"{self.kind}:{others[place]}")

    @abstractmethod
    def rank(self, overlap: float, present: bool) -> tuple[float, bool]:
        """What the order ascends by: of a mask's IoU to the image's own and whether it shows any structure."""

    def _processes(self, others: list[str], own: Tensor) -> list[tuple[float, bool]]:
        if self._maps is None:
            self._maps = torch.stack([_small(self.split.masks(image_id)) for image_id in self._order])
        maps, background = self._maps[[self._place[other] for other in others]], self.split.background
        present = structure(maps, background).flatten(1).any(1).tolist()
        overlaps = [overlap for part in maps.split(_TOGETHER) for overlap in _overlaps(own, part, background)]
        return [self.rank(*both) for both in zip(overlaps, present, strict=True)]


@dataclass(eq=False)
class Nearest(ByOverlap):
    """The mask of the split with the largest IoU to the image's own that is not too close."""

    kind: ClassVar[str] = "nearest"

    def rank(self, overlap: float, present: bool) -> tuple[float, bool]:
        return -overlap, not present


@dataclass(eq=False)
class Farthest(ByOverlap):
    """The mask of the split with the smallest IoU to the image's own; of those that share nothing with it, one that
    shows a structure."""

    kind: ClassVar[str] = "farthest"

    def rank(self, overlap: float, present: bool) -> tuple[float, bool]:
        return overlap, not present


def _small(mask: Tensor) -> Tensor:
    """(h, w) uint8, no side longer than `SIDE`, by nearest neighbour."""
    mask, longest = mask.to(torch.uint8), max(mask.shape)
    if longest <= SIDE:
        return mask
    size = [max(1, round(side * SIDE / longest)) for side in mask.shape]
    return F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0, 0]


def _overlaps(own: Tensor, maps: Tensor, background: int | None) -> list[float]:
    """IoU of one map (h, w) with each of several (N, h, w), `VOID` left out."""
    counted = (maps != VOID) & (own != VOID)
    labels, preds = (part.long().expand(maps.shape).masked_fill(~counted, 0) for part in (own, maps))
    classes = 1 + max(int(labels.max()), int(preds.max()), background or 0)
    return metrics.iou(metrics.confusion(preds, labels, counted, classes), background).tolist()
