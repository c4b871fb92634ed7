"""The contract of targets: a kind draws maps, and the first that is not too close to the truth is chosen."""

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
from benchmark.label_subsets import are_subsets
from benchmark.targets.one_label import OneLabel, one_label


class Split(NamedTuple):
    """The images that targets are for.

    Attributes:
        ids: of all images.
        masks: id -> (H, W) int64, `VOID` where no class is known.
        background: the class that is no object, if there is one; `NO_LABEL` where classes are subsets of labels.
        names: of all classes, or of the labels.
    """

    ids: Sequence[str]
    masks: Callable[[str], Tensor]
    background: int | None
    names: Sequence[str] = ()


class TargetMap(NamedTuple):
    """A map that was drawn for an image, and how it was chosen.

    Attributes:
        mask: (H, W) int64, `VOID` where it has no class.
        name: such as "other_image:ISIC_0012".
        draw: the number of this draw, from 1.
        draws: how many were drawn.
        too_close: every draw was closer than `max_iou` allows; this is the least similar one.
    """

    mask: Tensor
    name: str
    draw: int = 1
    draws: int = 1
    too_close: bool = False


@dataclass(eq=False)
class Target(ABC):
    """Draws a target map for every image of a split.

    Args:
        max_iou: largest IoU of a target to the image's own mask and to the prediction of the clean image; a map above
            it is drawn again. None: any map but the image's own mask is accepted. IoU is computed as in rows: of the
            foreground for two classes, else the mean over foreground classes.
        label: name or number of the one class, or label that overlaps others, that the target is about. It is drawn as
            if there were no other, and all others stay as they are; `max_iou` is of it alone. None: all of the map.
    """

    kind: ClassVar[str]
    """The name of the kind in `conf/target/`, with which the names of its maps begin."""

    max_iou: float | None = field(default=0.8, kw_only=True)
    label: str | int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        require(self.max_iou is None or 0 <= self.max_iou <= 1, f"max_iou={self.max_iou}: must be from 0 to 1, or null")
        if isinstance(self.label, int):
            require(0 <= self.label < VOID, f"label={self.label}: must be a class, from 0")

    def prepare(self, split: Split) -> None:
        """Take the split that targets are for; draws depend on the set of its ids, not on their order.

        Raises InputError if the split has no target of this kind, or no class `label`.
        """
        self._one: OneLabel | None = None
        if self.label is not None and self.about_one(split):
            one, masks = one_label(self.label, split.names, split.background), split.masks
            self._one = one
            split = split._replace(masks=lambda image_id: one.taken(masks(image_id)), background=0)
        self.split = split

    def about_one(self, split: Split) -> bool:
        """Whether maps are drawn as if there were no other class than `label`."""
        return self.label is not None

    def maps(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        """The draws for an image with its own mask `truth`; of a target about one label with all others in place."""
        one = self._one
        if one is None:
            yield from self.draws(image_id, truth, valid)
            return
        for drawn in self.draws(image_id, one.taken(truth), valid):
            name = drawn.name.replace(self.kind, f"{self.kind} {one.name.replace(':', ' ')}", 1)
            yield drawn._replace(mask=one.put(drawn.mask, truth), name=name)

    @abstractmethod
    def draws(self, image_id: str, truth: Tensor, valid: Tensor) -> Iterator[TargetMap]:
        """Yield one or more maps for an image, always the same ones for the same split and image.

        The second map is drawn if the first is too close, and so on.

        Args:
            image_id: names the image.
            truth: (H, W) int64, the image's own mask; any class where not valid.
            valid: (H, W) bool, the pixels that count.
        """

    def choose(self, image_id: str, truth: Tensor, valid: Tensor, prediction: Tensor | None = None) -> TargetMap:
        """The first draw within `max_iou`; if there is none, the least similar draw, marked as too close.

        An image whose draws are all too close is attacked and counted, and the run goes on. Where nothing else can be
        drawn, as for the erased target of an image without structure, the target is the image's own mask.

        Args:
            image_id, truth, valid: as in `draws`.
            prediction: (H, W) int64, of the clean image; None: the target must differ from the truth only.
        """
        limit = 1 if self.max_iou is None else self.max_iou
        lowest, least_similar, number = math.inf, None, 0
        for number, drawn in enumerate(self.maps(image_id, truth, valid), 1):
            similarity = self._similarity(drawn.mask, truth, valid, prediction)
            if similarity <= limit:
                return drawn._replace(draw=number, draws=number)
            if least_similar is None or similarity < lowest:
                lowest, least_similar = similarity, drawn._replace(draw=number, too_close=True)
        assert least_similar is not None, f"{self.kind} draws nothing for image {image_id}"
        return least_similar._replace(draws=number)

    def repeat(self, image_id: str, truth: Tensor, valid: Tensor, draw: int) -> TargetMap:
        """The draw with this number, from 1; needs no prediction. Raises InputError if there are fewer draws."""
        drawn = next(islice(self.maps(image_id, truth, valid), draw - 1, None), None)
        if drawn is None:
            raise InputError(
                f"image {image_id}: target={self.kind} has no draw {draw}; restore the target it was run with"
            )
        return drawn._replace(draw=draw)

    def _similarity(self, mask: Tensor, truth: Tensor, valid: Tensor, prediction: Tensor | None) -> float:
        """The larger of the IoUs to the truth and to the prediction; infinite for the truth itself."""
        if self._one is not None:
            mask, truth = self._one.taken(mask), self._one.taken(truth)
            prediction = None if prediction is None else self._one.taken(prediction)
        counted = valid & (mask != VOID)
        if not ((mask != truth) & counted).any():
            return math.inf
        others = [truth] if prediction is None else [truth, prediction]
        background = self.split.background
        return max(iou(other[None], mask[None], counted[None], background).item() for other in others)


@dataclass(eq=False)
class TargetWithBackground(Target):
    """A target whose maps have pixels of the background class, so that the data must have one."""

    def prepare(self, split: Split) -> None:
        super().prepare(split)
        if self.split.background is None:
            raise InputError(
                f"target={self.kind} needs a class that is no object, and the data declare none; "
                "set data.background or use target=other_image"
            )
        self.background = self.split.background


def iou(maps: Tensor, others: Tensor, counted: Tensor, background: int | None) -> Tensor:
    """`metrics.iou`, (N,), of each map with its other, both (N, H, W) int64, over the pixels `counted` (N, H, W)."""
    maps, others = maps.masked_fill(~counted, 0), others.masked_fill(~counted, 0)
    classes = 1 + max(int(maps.max()), int(others.max()), background or 0)
    if are_subsets(background):
        classes = max(2, 1 << (classes - 1).bit_length())
    return metrics.iou(metrics.confusion(maps, others, counted, classes), background)


def structure(mask: Tensor, background: int | None) -> Tensor:
    """Where a map has a foreground class, whichever it is; bool, of the map's shape."""
    known = mask != VOID
    return known if background is None else known & (mask != background)


def generator(seed: int, *parts: object) -> random.Random:
    """A random generator seeded by the seed and these parts; the same on every machine."""
    return random.Random("\x1f".join(map(str, (seed, *parts))))


def require(condition: bool, message: str) -> None:
    """Raise InputError, with the parameter of the target in `message`, unless the condition holds."""
    if not condition:
        raise InputError(f"target.{message}")
