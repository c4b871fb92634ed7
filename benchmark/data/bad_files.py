"""Images whose files cannot be used: found all together, and left out on request."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmark.data.loading_options import EVERY
from benchmark.data.source import SPLITS, Sample, Source
from benchmark.distributed.termination import check_stop
from benchmark.errors import MOST_LISTED, DetailedError, InputError

STOP, SKIP = "stop", "skip"
"""What `data.on_bad` may be."""

_QUIET = 200  # the largest number of images that are read without a progress bar


class Skipped(NamedTuple):
    """An image that is left out, and why; the split is `EVERY` if it was left out before splits were drawn."""

    split: str
    id: str
    reason: str


def read_sample(source: Source, split: str, id: str, channels: int) -> Sample:
    """Read an image of a source. Raises InputError if it cannot be used, or if grey images are asked for and it is not.

    Whatever a file holds, its reader's complaint is an InputError.
    """
    check_stop()
    sample = source.read(split, id)
    if channels == 1 and np.any(sample.image != sample.image[:, :, :1]):
        raise InputError(f"{source.name} {split} {id}: has colours; data.channels=1 is for grey images")
    return sample


def without_bad(source: Source, channels: int) -> list[Skipped]:
    """Leave out of a source of files the images that cannot be used, those without a mask included; returns them.

    All images of all splits are read once, so that every command leaves out the same ones.

    Raises:
        InputError: no image is left, or the source is one of other kinds and has such images.
    """
    keys = [(split, id) for split in SPLITS for id in source.splits()[split]]

    def reason(key: tuple[str, str]) -> str | None:
        try:
            read_sample(source, *key, channels)
        except InputError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        hidden = None if len(keys) > _QUIET else True  # None: hidden unless stderr is a terminal
        reasons = list(tqdm(pool.map(reason, keys), f"reading {source.name}", len(keys), unit="image", disable=hidden))
    bad = [Skipped(*key, why) for key, why in zip(keys, reasons, strict=True) if why is not None]
    pairs: dict | None = getattr(source, "pairs", None)
    if bad and (pairs is None or len(bad) == len(keys)):
        raise cannot_be_used(source.name, {f"{one.split}/{one.id}": one.reason for one in bad}, len(keys))
    if pairs is not None:
        left_out = {(one.split, one.id) for one in bad}
        source.pairs = {  # type: ignore[attr-defined]
            split: {id: files for id, files in pairs[split].items() if (split, id) not in left_out} for split in pairs
        }
    return [*getattr(source, "unpaired", []), *bad]


def skipped_count(data: Any) -> int:
    """How many images of the attacked split are left out, of a data module."""
    split = getattr(data, "test_split", EVERY)
    return sum(split == EVERY or one.split in (split, EVERY) for one in getattr(data, "skipped", []))


def cannot_be_used(name: str, reasons: Mapping[str, str] | Iterable[str], total: int) -> InputError:
    """The error that lists images that cannot be used, of `total`; the one reason alone if there is only one."""
    listed = list(reasons.values() if isinstance(reasons, Mapping) else reasons)
    if len(listed) == 1:
        return InputError(f"{listed[0]} (data.on_bad=skip goes on without it)")
    return DetailedError(
        f"data set {name}: {len(listed)} of {total} images cannot be used; repair or remove the files, or give "
        "data.on_bad=skip, which goes on without them",
        listed,
        most=MOST_LISTED,
    )
