"""A split as a torch Dataset, and the sampler that shuffles it and passes on the epoch."""

import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from tqdm import tqdm

from benchmark.data.attacked_images import Places
from benchmark.data.augmentation import augment, resize, training_pipeline
from benchmark.data.bad_files import all_bad, read_sample
from benchmark.data.loading_options import as_given
from benchmark.data.source import VOID, Sample, Source
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError

QUIET = 200  # the largest number of images that are decoded without a progress bar


class DecodedSplit:
    """The images of one split, or of all, resized to size = (height, width).

    With `cache` all images are decoded at once and kept; otherwise each is decoded whenever it is accessed.

    Args:
        source, channels: of the data set.
        split: what messages call it.
        places: of its images.
        checked: whether all images are read once even if they are not kept.
        labelled: False: the masks of the source are not used; `label` gives others.

    Raises:
        InputError: no mask of the split shows any foreground; or images cannot be used: all of the source are named.
    """

    def __init__(
        self,
        source: Source,
        split: str,
        places: Places,
        *,
        size: tuple[int, int],
        cache: bool,
        channels: int = 3,
        labelled: bool = True,
        checked: bool = False,
    ) -> None:
        self.source, self.split, self.places, self.size = source, split, places, size
        self.ids, self.channels, self.highest = list(places), channels, 2**source.bits - 1
        self.position = {id: index for index, id in enumerate(self.ids)}
        self._labels: dict[str, bytes] | None = None if labelled else {}
        samples = self._decode_all(keep=cache) if cache or checked else []
        self._cached: list[Sample] | None = samples if cache else None
        if labelled and not self._shows_foreground():
            in_files = any(_shows_foreground(source.read(*place).mask, source) for place in places.values())
            cure = f"the masks show some in full size: give a larger data.size than {as_given(size)}"
            raise InputError(
                f"data set {source.name}: no mask of the split {split!r} ({len(self)} images) shows any foreground; "
                f"{cure if in_files else 'look at the mask files and at what their values mean'}"
            )

    def label(self, masks: Mapping[str, np.ndarray]) -> None:
        """Set the masks (H, W) of all images, of the size of the resized ones; `VOID` where no class is known.

        Raises InputError if none of them shows any foreground.
        """
        self._labels = {id: zlib.compress(masks[id].astype(np.uint8).tobytes(), 1) for id in self.ids}
        if not self._shows_foreground():
            raise InputError(
                f"data set {self.source.name}: the victim predicts no foreground in any of {len(self)} images, so that "
                "data.labels=predicted leaves nothing to attack; look at the victim's normalisation and data.background"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        sample = self.unlabelled(index)
        if self._labels is None:
            return sample
        if sample.id not in self._labels:
            raise InputError(
                f"data set {self.source.name}: with data.labels=predicted there is no mask of {sample.id} before a "
                "victim has predicted it; give data.labels=files and masks, or use `attack`"
            )
        mask = np.frombuffer(zlib.decompress(self._labels[sample.id]), np.uint8).reshape(self.size).copy()
        return sample._replace(mask=mask)

    def unlabelled(self, index: int) -> Sample:
        """A sample with the mask of the source, whether or not that is used."""
        return self._decode(self.ids[index]) if self._cached is None else self._cached[index]

    def pixels(self, image: np.ndarray) -> Tensor:
        """Levels (H, W, 3) as an image (C, H, W) float32 in [0, 1]."""
        return torch.from_numpy(image[:, :, : self.channels].transpose(2, 0, 1).astype(np.float32)) / self.highest

    def class_pixels(self, classes: int) -> np.ndarray:
        """(classes,) int64, the number of pixels of each class in the masks; void pixels do not count."""
        masks = (self[index].mask for index in range(len(self)))
        return np.asarray(sum(np.bincount(mask[mask != VOID], minlength=classes) for mask in masks))

    def _shows_foreground(self) -> bool:
        return any(_shows_foreground(self[index].mask, self.source) for index in range(len(self)))

    def _decode(self, id: str) -> Sample:
        sample = read_sample(self.source, *self.places[id], self.channels)
        image, mask = resize(sample.image, sample.mask, self.size)
        return sample._replace(image=image, mask=mask, id=id)

    def _decode_all(self, keep: bool) -> list[Sample]:
        """All samples, or if they are not to be kept an empty list. Raises InputError that names all bad files."""

        def decode(id: str) -> Sample | str | None:
            try:
                sample = self._decode(id)
            except InputError as error:
                return str(error)
            return sample if keep else None

        # Pillow and OpenCV release the interpreter lock, so threads decode in parallel.
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
            hidden = None if len(self.ids) > QUIET else True  # None: hidden unless stderr is a terminal
            bar = {"desc": f"decoding {self.source.name} {self.split}", "total": len(self.ids), "unit": "image"}
            decoded = list(tqdm(pool.map(decode, self.ids), disable=hidden, **bar))
        if bad := [one for one in decoded if isinstance(one, str)]:
            raise all_bad(self.source, self.channels, bad)
        return [one for one in decoded if isinstance(one, Sample)]


def _shows_foreground(mask: np.ndarray, source: Source) -> bool:
    return bool(np.any((mask != VOID) & (mask != source.background)))


class SegmentationDataset(Dataset):
    """Items of a split: {"image": (C,H,W) float32 k/255, "mask": (H,W) int64, "valid": (H,W) bool, "id", "group",
    "split"}; the last is the split of the source that the image is of.

    C is 3, or 1 for grey images; of other than 8 bits it is k/(2^bits - 1).
    The mask is 0 where `valid` is False. With `augmented`, items are keyed (epoch, index) as `EpochSampler` yields
    them, and their augmentation depends on nothing but seed and key; a plain index means epoch 0.
    """

    def __init__(self, split: DecodedSplit, augmented: bool = False, seed: int = 0) -> None:
        self.split = split
        self.seed = seed
        self.pipeline = training_pipeline(split.size[0] == split.size[1]) if augmented else None

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        check_stop()
        epoch, index = (0, key) if isinstance(key, int) else key
        image, mask, id, group = self.split[index]
        if self.pipeline is not None:
            draw = {"seed": self.seed, "epoch": epoch, "index": index}
            image, mask = augment(self.pipeline, image, mask, **draw, highest=self.split.highest)
        labels, valid = labels_and_valid(mask)
        named = {"id": id, "group": group, "split": self.split.places[id][0]}
        return {"image": self.split.pixels(image), "mask": labels, "valid": valid, **named}


class EpochSampler(Sampler):
    """Every index once per epoch, in an order drawn from (seed, epoch), as keys (epoch, index).

    Each of `size` processes yields the same number, so that none waits for a batch that another does not have; up to
    size - 1 of an epoch's indices are left out. The epoch is part of the key because persistent workers do not see
    attributes that are set later. Lightning calls `set_epoch` before each epoch, also after a resume.
    """

    def __init__(self, length: int, seed: int = 0, rank: int = 0, size: int = 1) -> None:
        self.length, self.seed, self.epoch = length, seed, 0
        self.rank, self.size = rank, size

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        order = order[self.rank :: self.size][: len(self)]
        return ((self.epoch, int(index)) for index in order)


def labels_and_valid(mask: np.ndarray) -> tuple[Tensor, Tensor]:
    """int64 class indices, 0 where void, and the bool map of pixels that are not void."""
    values = torch.from_numpy(np.array(mask))
    valid = values != VOID
    return torch.where(valid, values, 0).long(), valid


def single_threaded_worker(worker: int) -> None:
    """Switch off OpenCV's threads in a loader's worker: the workers run in parallel, and the threads end at a fork."""
    import cv2

    cv2.setNumThreads(0)
