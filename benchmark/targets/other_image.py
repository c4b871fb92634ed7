"""The mask of another image of the split."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from benchmark.errors import InputError
from benchmark.targets.base import Split, Target, TargetMap


@dataclass(eq=False)
class OtherImage(Target):
    """The mask of another image of the split, by a seeded pairing that uses every mask once.

    Where that mask is too close, the next one of the pairing is drawn, so that some masks may be used twice.

    Args:
        seed: of the pairing.
    """

    kind: ClassVar[str] = "other_image"

    seed: int = 0

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        order = sorted(set(split.ids))
        if len(order) < 2:
            raise InputError(
                f"target={self.kind} needs at least 2 images in the split, which has {len(order)}; "
                "put more images into it (data.fractions, split files) or use target=mask_file"
            )
        random.Random(self.seed).shuffle(order)
        self._order, self._place = order, {image_id: place for place, image_id in enumerate(order)}

    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        for other in self.others(image_id):
            yield TargetMap(self.split.masks(other), f"{self.kind}:{other}")

    def others(self, image_id: str) -> list[str]:
        """All other images of the split, in the order in which their masks are tried."""
        place = self._place[image_id]
        return self._order[place + 1 :] + self._order[:place]
