"""Which mask an image is pushed to: drawn from its id and a seed, never from its place in a batch."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmark.data.source import VOID
from benchmark.errors import InputError
from benchmark.records import file_name

Masks = Callable[[str], Tensor]
"""id -> (H, W) int64, the mask of an image of the attacked split, `VOID` where it says nothing."""


class Drawn(NamedTuple):
    """mask: (H, W) int64 target map, `VOID` where there is none. name: what the row records to tell it by."""

    mask: Tensor
    name: str


class Target(ABC):
    """Draws a target map for every image of a split."""

    @abstractmethod
    def prepare(self, ids: Sequence[str]) -> None:
        """Learn the ids of the split; what is drawn depends on this set, not on its order."""

    @abstractmethod
    def draw(self, image_id: str, truth: Tensor, valid: Tensor, masks: Masks) -> Drawn:
        """The target of one image with its own mask `truth` (H, W) int64 and its pixels that count `valid` (H, W) bool.

        Raises InputError if there is no target that differs from the image's own mask.
        """


class OtherImage(Target):
    """The mask of another image of the split: a seeded pairing in which every mask is used once.

    A mask equal to the image's own is passed over for the next one of the pairing.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._order: list[str] = []

    def prepare(self, ids: Sequence[str]) -> None:
        if len(set(ids)) < 2:
            raise InputError(
                f"target=other_image needs at least 2 images in the split, found {len(set(ids))}; "
                "put more images into it (data.fractions, split files) or use target=mask_file"
            )
        self._order = sorted(set(ids))
        random.Random(self._seed).shuffle(self._order)
        self._place = {image_id: place for place, image_id in enumerate(self._order)}

    def draw(self, image_id: str, truth: Tensor, valid: Tensor, masks: Masks) -> Drawn:
        for step in range(1, len(self._order)):
            other = self._order[(self._place[image_id] + step) % len(self._order)]
            mask = masks(other)
            if differs(mask, truth, valid):
                return Drawn(mask, f"other_image:{other}")
        raise InputError(f"image {image_id}: every mask of the split equals its own; choose another target")


class MaskFile(Target):
    """A mask from a file: one for all images, or a folder with one named after each id.

    Args:
        path: an image file, or a folder of them (`<id>.png`); resized to the attacked size by nearest neighbour.
        encoding: file value -> class, as for masks of data sets; None: 0 is class 0, 255 is class 1.
    """

    def __init__(self, path: str, encoding: Mapping[Any, Any] | None = None) -> None:
        from benchmark.data.images import check_encoding

        self._path = Path(path)
        self._encoding = check_encoding(dict({0: 0, 255: 1} if encoding is None else encoding), VOID)
        if not self._path.exists():
            raise InputError(f"target.path={path}: no such file or folder; give a mask file or a folder of <id>.png")

    def prepare(self, ids: Sequence[str]) -> None:
        if not self._path.is_dir():
            return
        missing = [image_id for image_id in ids if not self._file(image_id).exists()]
        if missing:
            raise InputError(f"{self._file(missing[0])}: no such target mask ({len(missing)} of {len(ids)} missing)")

    def draw(self, image_id: str, truth: Tensor, valid: Tensor, masks: Masks) -> Drawn:
        from benchmark.data.images import read_mask

        path = self._file(image_id)
        mask = torch.from_numpy(read_mask(path, self._encoding, "target.encoding"))[None, None]
        resized = torch.nn.functional.interpolate(mask, size=truth.shape, mode="nearest-exact")[0, 0].to(torch.int64)
        if not differs(resized, truth, valid):
            raise InputError(
                f"{path}: equals the mask of image {image_id}, so there is nothing to attack; give another"
            )
        return Drawn(resized, f"mask_file:{path.name}")

    def _file(self, image_id: str) -> Path:
        return self._path / f"{file_name(image_id)}.png" if self._path.is_dir() else self._path


def differs(mask: Tensor, truth: Tensor, valid: Tensor) -> bool:
    """Whether a target map (H, W) differs from the truth at any pixel that counts in both."""
    return bool(((mask != truth) & valid & (mask != VOID)).any())
