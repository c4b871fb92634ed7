"""The image's own mask, larger or smaller."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.targets.base import TargetMap, require, structure
from benchmark.targets.transformed import Transformed

POWERS = 4


@dataclass(eq=False)
class Scaled(Transformed):
    """The image's own label map, scaled as a whole about the centre of mass of its structure, by nearest neighbour.

    The next draw, up to four, scales once more.

    Args:
        factor: of lengths; above 1 larger, below 1 smaller.
    """

    kind: ClassVar[str] = "scaled"

    factor: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.factor > 0 and self.factor != 1, f"factor={self.factor}: must be positive and not 1")

    def changes(self, image_id: str, own: Tensor) -> Iterator[TargetMap]:
        centre = structure(own, self.background).nonzero().double().mean(0).tolist()
        for power in range(1, POWERS + 1):
            factor = self.factor**power
            # Where each row and column of the result comes from.
            rows, columns = (
                (middle + (torch.arange(size, dtype=torch.float64) - middle) / factor).round().long()
                for middle, size in zip(centre, own.shape, strict=True)
            )
            inside = ((rows >= 0) & (rows < len(own)))[:, None] & ((columns >= 0) & (columns < own.shape[1]))
            source = own[rows.clamp(0, len(own) - 1)][:, columns.clamp(0, own.shape[1] - 1)]
            yield TargetMap(source.masked_fill(~inside, self.background), f"{self.kind}:{factor:g}")
