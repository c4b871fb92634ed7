"""The mask of another image, chosen by its IoU to the image's own mask."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.images.label_maps import VOID
from benchmark.targets.base import Split, TargetMap, iou, structure
from benchmark.targets.other_image import OtherImage

SIDE = 128  # longest side, in pixels, of the maps that are compared; for larger masks the order is approximate
_BATCH = 256  # maps


@dataclass(eq=False)
class ByOverlap(OtherImage):
    """All other masks of the split in the order of their IoU to the image's own mask, at equal IoU empty ones last.

    The order depends on the whole split: all masks are read once, reduced to at most `SIDE` pixels a side, and the
    mask of each image is compared with all others. Masks of equal IoU come in the order of the seeded pairing;
    otherwise the first image by name would be the target of many.
    """

    order: ClassVar[int]
    """1 where the smallest IoU comes first, -1 where the largest does."""

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        self._maps: Tensor | None = None

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        others = self.others(image_id)
        ranks = self._ranks(others, _reduced(truth.masked_fill(~valid, VOID)))
        for place in sorted(range(len(others)), key=ranks.__getitem__):
            yield TargetMap(self.split.masks(others[place]), f"{self.kind}:{others[place]}")

    def _ranks(self, others: list[str], truth: Tensor) -> list[tuple[float, bool]]:
        if self._maps is None:
            self._maps = torch.stack([_reduced(self.split.masks(image_id)) for image_id in self._order])
        maps, background = self._maps[[self._place[other] for other in others]], self.split.background
        absent = (~structure(maps, background)).flatten(1).all(1).tolist()
        overlaps = [overlap for part in maps.split(_BATCH) for overlap in _overlaps(truth, part, background)]
        return [(self.order * overlap, empty) for overlap, empty in zip(overlaps, absent, strict=True)]


@dataclass(eq=False)
class Nearest(ByOverlap):
    """The mask of the split with the largest IoU to the image's own mask within `max_iou`."""

    kind: ClassVar[str] = "nearest"
    order: ClassVar[int] = -1


@dataclass(eq=False)
class Farthest(ByOverlap):
    """The mask of the split with the smallest IoU to the image's own mask, at IoU 0 one with a structure if any has."""

    kind: ClassVar[str] = "farthest"
    order: ClassVar[int] = 1


def _reduced(mask: Tensor) -> Tensor:
    """(h, w) uint8, no side longer than `SIDE`, by nearest neighbour."""
    mask, longest = mask.to(torch.uint8), max(mask.shape)
    if longest <= SIDE:
        return mask
    size = [max(1, round(side * SIDE / longest)) for side in mask.shape]
    return F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0, 0]


def _overlaps(one: Tensor, maps: Tensor, background: int | None) -> list[float]:
    """IoU of one map (h, w) with each of several (N, h, w), `VOID` left out."""
    counted = (maps != VOID) & (one != VOID)
    return iou(maps.long(), one.long().expand(maps.shape), counted, background).tolist()
