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
    """The image's own mask, scaled as a whole about the centre of mass of its structure, by nearest neighbour.

    Each further draw, up to four in all, scales by the factor again.

    Args:
        factor: of lengths: above 1 the structure grows, below 1 it shrinks.
    """

    kind: ClassVar[str] = "scaled"

    factor: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.factor > 0 and self.factor != 1, f"factor={self.factor}: must be positive and not 1")

    def changes(self, image_id: str, mask: Tensor) -> Iterator[TargetMap]:
        centre = structure(mask, self.background).nonzero().double().mean(0).tolist()
        for power in range(1, POWERS + 1):
            factor = self.factor**power
            # The source row and column of each row and column of the result.
            rows, columns = (
                (middle + (torch.arange(size, dtype=torch.float64) - middle) / factor).round().long()
                for middle, size in zip(centre, mask.shape, strict=True)
            )
            inside = ((rows >= 0) & (rows < len(mask)))[:, None] & ((columns >= 0) & (columns < mask.shape[1]))
            source = mask[rows.clamp(0, len(mask) - 1)][:, columns.clamp(0, mask.shape[1] - 1)]
            yield TargetMap(source.masked_fill(~inside, self.background), f"{self.kind}:{factor:g}")
