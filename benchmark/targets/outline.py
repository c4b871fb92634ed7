"""The image's own mask with its outline moved inwards or outwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.targets.base import TargetMap, require, structure
from benchmark.targets.transformed import Transformed

TIMES = 3


@dataclass(eq=False)
class Outline(Transformed):
    """The image's own mask with the outline of its structure moved by a share of its depth.

    The depth is the largest distance of a pixel of the structure from its outline, for a disc the radius: so a change
    is the same one at every resolution and for every size. All foreground classes together are the structure; beyond
    the border of the image there is none. The next draw, up to three, moves the outline once more as far.

    Args:
        share: how far the outline moves, relative to the depth.
    """

    share: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.share < 1, f"share={self.share}: must be between 0 and 1, a share of the structure's depth")

    def shares(self) -> Iterator[float]:
        """Those of the draws."""
        return (self.share * time for time in range(1, TIMES + 1))


@dataclass(eq=False)
class Eroded(Outline):
    """The structure without its rim: pixels near its outline become background, all others keep their class.

    The deepest pixels always stay: a structure of a pixel or two cannot be eroded and counts as too close.
    """

    kind: ClassVar[str] = "eroded"

    def changes(self, image_id: str, own: Tensor) -> Iterator[TargetMap]:
        depth = torch.from_numpy(_depth(structure(own, self.background).numpy()))
        for share in self.shares():
            if share < 1:
                rim = structure(own, self.background) & (depth <= share * depth.max())
                yield TargetMap(own.masked_fill(rim, self.background), f"{self.kind}:{share:g}")


@dataclass(eq=False)
class Dilated(Outline):
    """The structure with a rim around it, by one pixel at least; each pixel of it takes the class nearest to it."""

    kind: ClassVar[str] = "dilated"

    def changes(self, image_id: str, own: Tensor) -> Iterator[TargetMap]:
        from scipy.ndimage import distance_transform_edt

        inside = structure(own, self.background).numpy()
        radius = _depth(inside).max()
        distance, (rows, columns) = distance_transform_edt(~inside, return_indices=True)
        nearest, distance = own[rows, columns], torch.from_numpy(distance)
        for share in self.shares():
            reach = max(share * radius + 0.5, 1.0)
            yield TargetMap(torch.where(distance <= reach, nearest, own), f"{self.kind}:{share:g}")


def _depth(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each pixel's centre from the outline, half a pixel for one at the border; negative outside."""
    from scipy.ndimage import distance_transform_edt

    depth: NDArray[np.float64] = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] - 0.5
    return depth
