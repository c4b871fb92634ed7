"""What a kind of target offers, and how one of its draws is chosen: not too close to what is there already."""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, NamedTuple

from torch import Tensor

from benchmark import metrics
from benchmark.errors import InputError
from benchmark.images.label_maps import VOID

Masks = Callable[[str], Tensor]
"""id -> (H, W) int64, the mask of an image of the attacked split, `VOID` where it says nothing."""


class Split(NamedTuple):
    """The images that targets are for: their ids, the mask of each, and the class that is no object, if any."""

    ids: Sequence[str]
    masks: Masks
    background: int | None


class TargetMap(NamedTuple):
    """mask: (H, W) int64 target map, `VOID` where there is none. name: kind and, after a colon, the very map."""

    mask: Tensor
    name: str


class TargetChoice(NamedTuple):
    """A draw and how it came about.

    mask, name: as of `TargetMap`. draw: its number, from 1. draws: how many were drawn. too_close: whether none of them
    kept to the limit, so that this is the least similar one.
    """

    mask: Tensor
    name: str
    draw: int
    draws: int
    too_close: bool


@dataclass(eq=False)
class Target(ABC):
    """Draws a target map for every image of a split.

    Args:
        max_iou: a draw whose IoU to the image's own mask or to the prediction of the clean image is above this is drawn
            again; null: whatever is not the image's own mask will do. IoU is that of the rows: of the foreground for
            two classes, else the mean over foreground classes.
    """

    kind: ClassVar[str]
    """What names of draws begin with; that of the YAML."""

    max_iou: float | None = field(default=0.8, kw_only=True)

    def __post_init__(self) -> None:
        require(self.max_iou is None or 0 <= self.max_iou <= 1, f"max_iou={self.max_iou}: must be from 0 to 1, or null")

    def prepare(self, split: Split) -> None:
        """Learn about the split; what is drawn depends on its ids as a set, not on their order.

        Raises InputError if there is no target of this kind for it.
        """
        self.split = split

    @abstractmethod
    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        """One or more maps for an image, the next one for when those before are too close to what is there.

        Always the same ones for the same split and image.

        Args:
            image_id: of the image.
            truth: (H, W) int64, its own mask; any class where not valid.
            valid: (H, W) bool, the pixels that count.
        """

    def choose(self, image_id: str, truth: Tensor, valid: Tensor, prediction: Tensor | None = None) -> TargetChoice:
        """The first draw that keeps to the limit or, if there is none, the least similar of them, marked so.

        So an image for which every draw is too close is attacked and counted, and does not stop a run; where nothing
        else can be drawn, as for an erased target of an image without structure, even its own mask is taken.

        Args:
            image_id, truth, valid: as of `draws`.
            prediction: (H, W) int64, of the clean image; None: only the distance to the truth is asked for.
        """
        limit = 1 if self.max_iou is None else self.max_iou
        nearest, chosen = math.inf, None
        number = 0
        for number, drawn in enumerate(self.draws(image_id, truth, valid), 1):
            closeness = self._closeness(drawn.mask, truth, valid, prediction)
            if closeness <= limit:
                return TargetChoice(*drawn, draw=number, draws=number, too_close=False)
            if chosen is None or closeness < nearest:
                nearest, chosen = closeness, TargetChoice(*drawn, draw=number, draws=number, too_close=True)
        assert chosen is not None, f"{self.kind} draws nothing for image {image_id}"
        return chosen._replace(draws=number)

    def repeat(self, image_id: str, truth: Tensor, valid: Tensor, draw: int) -> TargetMap:
        """The draw of that number, for which nothing has to be predicted. Raises InputError if there are fewer."""
        drawn = next(islice(self.draws(image_id, truth, valid), draw - 1, None), None)
        if drawn is None:
            raise InputError(
                f"image {image_id}: target={self.kind} has no draw {draw}; restore the target it was run with"
            )
        return drawn

    def _closeness(self, mask: Tensor, truth: Tensor, valid: Tensor, prediction: Tensor | None) -> float:
        """The larger IoU, to the truth or to the prediction; infinite for the truth itself."""
        counted = valid & (mask != VOID)
        if not ((mask != truth) & counted).any():
            return math.inf
        others = [truth] if prediction is None else [truth, prediction]
        return max(iou(other, mask, counted, self.split.background) for other in others)


def iou(one: Tensor, other: Tensor, counted: Tensor, background: int | None) -> float:
    """IoU of two maps (H, W) int64 over the pixels `counted` (H, W) bool, as of `metrics.iou`."""
    one, other = one.masked_fill(~counted, 0), other.masked_fill(~counted, 0)
    classes = 1 + max(int(one.max()), int(other.max()), background or 0)
    return metrics.iou(metrics.confusion(one[None], other[None], counted[None], classes), background).item()


def structure(mask: Tensor, background: int | None) -> Tensor:
    """Where a map shows an object, whatever its class; bool, of the map's shape."""
    known = mask != VOID
    return known if background is None else known & (mask != background)


def generator(seed: int, *parts: object) -> random.Random:
    """Randomness that depends on the seed and these parts alone; the same on every machine."""
    return random.Random("\x1f".join(map(str, (seed, *parts))))


def require(condition: bool, message: str) -> None:
    """Raise InputError for a parameter of a target that is out of range."""
    if not condition:
        raise InputError(f"target.{message}")


def background_of(split: Split, kind: str) -> int:
    """The class that is no object. Raises InputError if every class is one."""
    if split.background is None:
        raise InputError(
            f"target={kind} needs a class that is no object, and the data declare none; "
            "set data.background or use target=other_image"
        )
    return split.background
