"""Reads every image and mask of a data set once and keeps what the checks need; notes the files it cannot read."""

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmark.data.files import PairedFiles
from benchmark.data.images import FORMATS
from benchmark.data.masks import read_values
from benchmark.data.source import SPLITS, VOID, Source
from benchmark.data_check.duplicates import perceptual_hash
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError
from benchmark.images.image_files import open_picture

SIDE = 96  # pixels of the small copies by which masks are judged and shown


@dataclass(kw_only=True)
class Item:
    """One image and its mask; with an `error` the attributes after `values` are not set, without a mask those of it.

    formats: of each file, such as "image JPEG RGB". values: pixels by value in the mask files, before any encoding.
    size: (width, height). counts: pixels by class, `VOID` included. small: (S,S,3) RGB; small_mask: (S,S) classes.
    """

    split: str
    id: str
    group: str = ""
    error: str | None = None
    formats: list[str] = field(default_factory=list)
    values: Counter[int] = field(default_factory=Counter)
    size: tuple[int, int] | None = None
    counts: dict[int, int] = field(default_factory=dict)
    image_hash: str = ""
    mask_hash: str = ""
    bits: np.ndarray | None = None
    blank: bool = False
    small: np.ndarray | None = None
    small_mask: np.ndarray | None = None

    @property
    def name(self) -> str:
        """What findings call it."""
        return f"{self.split}/{self.id}"


def scan(source: Source) -> list[Item]:
    """All images of the source, split by split in file order, read in threads; a bar shows the progress."""
    ids = [(split, id) for split in SPLITS for id in source.splits()[split]]
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        items = pool.map(lambda key: _read(source, *key), ids)
        return list(tqdm(items, desc=f"reading {source.name}", total=len(ids), unit="image", disable=None))


def _read(source: Source, split: str, id: str) -> Item:
    check_stop()
    item = Item(split=split, id=id)
    if isinstance(source, PairedFiles):
        _describe(item, source.pairs[split][id])
    try:
        image, mask, _, item.group = source.read(split, id)
    except (InputError, OSError) as error:
        item.error = " ".join(str(error).split())
        return item
    item.size = (image.shape[1], image.shape[0])
    item.image_hash = _digest(image)
    if image.dtype != np.uint8:
        image = np.round(image * (255 / (2**source.bits - 1))).astype(np.uint8)
    item.bits = perceptual_hash(image)
    item.blank = bool(np.all(image == image[:1, :1]))
    item.small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if isinstance(source, PairedFiles) and len(source.pairs[split][id]) == 1:
        return item  # an image without a mask, whose labels are to be predicted
    item.mask_hash = _digest(mask)
    item.counts = {value: int(n) for value, n in enumerate(np.bincount(mask.ravel())) if n}
    item.small_mask = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST_EXACT)
    return item


def _describe(item: Item, files: tuple[Path, ...]) -> None:
    """Set the formats of the files and the values of the masks that can be read; `source.read` reports the others."""
    for number, path in enumerate(files):
        try:
            with open_picture(path, FORMATS) as picture:
                item.formats.append(f"{'mask' if number else 'image'} {picture.format} {picture.mode}")
            if number:
                counts = np.bincount(read_values(path).ravel())
                item.values.update({value: int(counts[value]) for value in np.flatnonzero(counts).tolist()})
        except (InputError, OSError):
            continue


def _digest(pixels: np.ndarray) -> str:
    """SHA-256 of the pixels, which stay the same when a file is saved anew."""
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def foreground(mask: np.ndarray, background: int | None) -> np.ndarray:
    """(H,W) bool: the object; where every class is one, the largest of them."""
    valid = mask != VOID
    if background is not None:
        return valid & (mask != background)
    counts = np.bincount(mask[valid], minlength=1)
    return mask == int(counts.argmax())
