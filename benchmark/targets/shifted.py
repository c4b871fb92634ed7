"""The image's own mask, moved."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from benchmark.targets.base import TargetMap, generator, require
from benchmark.targets.transformed import Transformed

DIRECTIONS = 20


@dataclass(eq=False)
class Shifted(Transformed):
    """The image's own mask, moved in a random direction that leaves at least half of the structure inside the image.

    Each further draw, up to 20 in all, is another direction. The name of a map has the shift to the right and down, in
    pixels.

    Args:
        distance: of the shift, relative to the image's height and width.
        seed: of the directions.
    """

    kind: ClassVar[str] = "shifted"
    least: ClassVar[float] = 0.5

    distance: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.distance < 1, f"distance={self.distance}: must be between 0 and 1, a share of the image")

    def changes(self, image_id: str, mask: Tensor) -> Iterator[TargetMap]:
        random = generator(self.seed, self.kind, image_id)
        height, width = mask.shape
        for _ in range(DIRECTIONS):
            angle = random.uniform(0, 2 * math.pi)
            right = round(self.distance * width * math.cos(angle))
            down = round(self.distance * height * math.sin(angle))
            # A negative padding crops.
            moved = F.pad(mask, (right, -right, down, -down), value=self.background)
            yield TargetMap(moved, f"{self.kind}:{right:+d},{down:+d}")
