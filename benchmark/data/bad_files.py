"""Images whose files cannot be used: found all together, and left out on request."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmark.data.files import PairedFiles, lacking
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


def check_pairs(source: Source, channels: int) -> None:
    """Raise InputError that names all files that cannot be used, of all splits, if an image or a mask stands alone."""
    splits = source.pairs.values() if isinstance(source, PairedFiles) else ()
    if any(lacking(*files) for pairs in splits for files in pairs.values()):
        raise all_bad(source, channels)


def all_bad(source: Source, channels: int, known: Iterable[str] = ()) -> InputError:
    """The error that names all images of all splits that cannot be used, those of `known` reasons first."""
    bad = _bad(source, channels)
    return cannot_be_used(source.name, dict.fromkeys([*known, *(one.reason for one in bad)]), _count(source))


def without_bad(source: Source, channels: int) -> list[Skipped]:
    """Leave out of a source of files the images that cannot be used, those without a mask included; returns them.

    Masks without an image are left out, too, and are not among them. All images of all splits are read once, so that
    every command leaves out the same ones.

    Raises:
        InputError: no image is left, or the source is one of other kinds and has such images.
    """
    bad = _bad(source, channels)
    if not bad:
        return list(getattr(source, "unpaired", []))
    left_out = {(one.split, one.id) for one in bad}
    total = _count(source)
    if not isinstance(source, PairedFiles) or len(left_out) == sum(map(len, source.splits().values())):
        raise cannot_be_used(source.name, dict.fromkeys(one.reason for one in bad), total)
    images = [one for one in bad if os.path.lexists(source.pairs[one.split][one.id][0])]
    kept = {
        split: {id: files for id, files in pairs.items() if (split, id) not in left_out}
        for split, pairs in source.pairs.items()
    }
    emptied = {split: len(source.pairs[split]) for split in SPLITS if source.pairs[split] and not kept[split]}
    source.pairs = kept
    source.why_empty = dict(source.why_empty) | {
        split: f"has no images left: data.on_bad=skip leaves out all {count} of them, whose files cannot be used"
        for split, count in emptied.items()
    }
    return [*getattr(source, "unpaired", []), *images]


def _count(source: Source) -> int:
    """How many images there are; one that is in several splits counts once."""
    if isinstance(source, PairedFiles):
        return len({files for pairs in source.pairs.values() for files in pairs.values()})
    return sum(map(len, source.splits().values()))


def _bad(source: Source, channels: int) -> list[Skipped]:
    """The images of all splits that cannot be used; a source of files that pairs them has masks without image, too."""
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
    return [Skipped(*key, why) for key, why in zip(keys, reasons, strict=True) if why is not None]


def skipped_count(data: Any) -> int:
    """How many images of the attacked split are left out, of a data module."""
    split = getattr(data, "test_split", EVERY)
    return sum(split == EVERY or one.split in (split, EVERY) for one in getattr(data, "skipped", []))


def cannot_be_used(name: str, reasons: Iterable[str], total: int) -> InputError:
    """The error that lists images that cannot be used, of `total`; the one reason alone if there is only one."""
    listed = list(reasons)
    if len(listed) == 1:
        return InputError(f"{listed[0]} (data.on_bad=skip goes on without it)")
    return DetailedError(
        f"data set {name}: {len(listed)} of {total} images cannot be used; repair or remove the files, or give "
        "data.on_bad=skip, which goes on without them",
        listed,
        most=MOST_LISTED,
    )
