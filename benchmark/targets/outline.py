"""The image's own mask with its outline moved inwards or outwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from benchmark.targets.base import TargetMap, require, structure
from benchmark.targets.transformed import Transformed

TIMES = 3


@dataclass(eq=False)
class Outline(Transformed):
    """The image's own mask with the outline of its structure moved by a fraction of its depth.

    The depth is the largest distance of a pixel of the structure from the outline, for a disc its radius. The relative
    change is therefore the same at every resolution and size. The structure is the union of all foreground classes; it
    ends at the border of the image. Each further draw, up to three, moves the outline by the same distance again.

    Args:
        share: distance that the outline moves, relative to the depth.
    """

    share: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.share < 1, f"share={self.share}: must be between 0 and 1, a share of the structure's depth")

    def shares(self) -> list[float]:
        """The `share` of each draw."""
        return [self.share * time for time in range(1, TIMES + 1)]


@dataclass(eq=False)
class Eroded(Outline):
    """The structure without its rim: pixels near the outline become background, all others keep their class.

    The deepest pixels always stay. A structure of one or two pixels cannot be eroded; its own mask is too close.
    """

    kind: ClassVar[str] = "eroded"

    def changes(self, image_id: str, mask: Tensor) -> Iterator[TargetMap]:
        depth = torch.from_numpy(_depth(structure(mask, self.background).numpy()))
        for share in self.shares():
            if share < 1:
                rim = structure(mask, self.background) & (depth <= share * depth.max())
                yield TargetMap(mask.masked_fill(rim, self.background), f"{self.kind}:{share:g}")


@dataclass(eq=False)
class Dilated(Outline):
    """The structure with a rim of at least one pixel; each pixel of the rim takes the nearest foreground class."""

    kind: ClassVar[str] = "dilated"

    def changes(self, image_id: str, mask: Tensor) -> Iterator[TargetMap]:
        inside = structure(mask, self.background).numpy()
        radius = _depth(inside).max()
        distance, (rows, columns) = distance_transform_edt(~inside, return_indices=True)
        nearest, distance = mask[rows, columns], torch.from_numpy(distance)
        for share in self.shares():
            reach = max(share * radius + 0.5, 1.0)
            yield TargetMap(torch.where(distance <= reach, nearest, mask), f"{self.kind}:{share:g}")


def _depth(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each pixel's centre from the outline, in pixels: 0.5 at the border, negative outside."""
    depth: NDArray[np.float64] = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] - 0.5
    return depth
