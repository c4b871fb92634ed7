"""Image and mask files paired by id: what the sources that read folders share."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.data.images import Encoding, read_pair
from benchmark.data.source import SPLITS, Sample
from benchmark.errors import InputError

Pairs = dict[str, tuple[Path, ...]]  # id -> image file, mask file or files


class Found(NamedTuple):
    """Files by id, and the folder that was searched for them."""

    files: dict[str, Path]
    folder: Path


def find_folder(root: Path, *names: str, cure: str) -> Path:
    """The first of these folders below `root` that is there; one that unpacked into itself is entered.

    Raises InputError that names all that was looked for, and the cure.
    """
    for name in names:
        folder = root / name
        inner = folder / folder.name
        if folder.is_dir():
            return inner if inner.is_dir() else folder
    raise InputError(f"{root}: has no folder {' or '.join(names)}; {cure}")


def enter(root: str | Path, *names: str) -> Path:
    """`root`, or the folder of one of these names in it, however often it unpacked into itself."""
    folder = Path(root).expanduser()
    while inner := next((folder / name for name in names if (folder / name).is_dir()), None):
        folder = inner
    return folder


def find_images(folder: Path, *suffixes: str) -> Found:
    """The files with one of these suffixes (".jpg"), whatever its case, by stem."""
    return Found(index_files(path for path in folder.iterdir() if _is_one(path, suffixes)), folder)


def find_named(folder: Path, name: str) -> Found:
    """The files whose whole name a regular expression matches, whatever its case, by its group "id"."""
    pattern = re.compile(name, re.IGNORECASE)
    matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir() if path.name[0] != ".")
    return Found(index_ids((match["id"], path) for match, path in matches if match), folder)


def index_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by stem, sorted; two files of one stem are an error."""
    return index_ids((path.stem, path) for path in paths)


def index_ids(found: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files by the given id, sorted by id; two files of one id are an error."""
    files: dict[str, Path] = {}
    for id, path in sorted(found):
        if id in files:
            raise InputError(f"{path}: has the same id as {files[id].name}; keep one file per id ({id!r})")
        files[id] = path
    return files


def pair_files(images: Found, *masks: Found) -> Pairs:
    """Image and mask, or masks, of each id, in the images' order.

    Raises InputError for what is empty or has no partner.
    """
    require_images(images)
    for found in masks:
        _check_partners(images, found, "mask")
        _check_partners(found, images, "image")
    return {id: (path, *(found.files[id] for found in masks)) for id, path in images.files.items()}


def merge(folder: Path, found: Iterable[Found]) -> Found:
    """The files of several folders below `folder`; two of one id are an error."""
    return Found(index_ids(item for one in found for item in one.files.items()), folder)


def require_images(images: Found) -> None:
    """Raise InputError if there are none."""
    if not images.files:
        raise InputError(f"{images.folder}: holds no images; put them there or correct data.root")


def _check_partners(have: Found, lack: Found, what: str) -> None:
    alone = [path for id, path in have.files.items() if id not in lack.files]
    if alone:
        more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
        raise InputError(f"{alone[0]}{more}: has no {what} in {lack.folder}; add the {what} or remove the file")


def _is_one(path: Path, suffixes: Iterable[str]) -> bool:
    return path.suffix.lower() in suffixes and path.name[0] != "."


class PairedFiles:
    """A source over `pairs`, one dictionary per split; masks follow the declared encoding.

    groups: patient or sequence of an id, if known. Sub-classes find the files, and say in `decode` how they are read if
    that is not one mask per image; hashing them is the same for every layout. `bits` are those of the images.
    """

    bits = 8

    def __init__(
        self,
        name: str,
        class_names: Sequence[str],
        pairs: dict[str, Pairs],
        encoding: Encoding,
        *,
        groups: Mapping[str, str] | None = None,
        background: int | None = 0,
    ) -> None:
        self.name = name
        self.classes = len(class_names)
        self.background = background
        self.class_names = tuple(class_names)
        self.pairs = pairs
        self.encoding = encoding
        self.groups = groups or {}

    def splits(self) -> dict[str, list[str]]:
        return {split: list(self.pairs[split]) for split in SPLITS}

    def read(self, split: str, id: str) -> Sample:
        image, mask = self.decode(*self.pairs[split][id])
        return Sample(image, mask, id, self.groups.get(id, ""))

    def decode(self, image: Path, *masks: Path) -> tuple[np.ndarray, np.ndarray]:
        """The image (H,W,3) and its mask (H,W) of classes, from its files."""
        (mask,) = masks
        return read_pair(image, mask, self.encoding, self.bits)

    def fingerprint(self) -> str:
        """SHA-256 over split, id and the files' bytes, and over the encoding."""
        digest = hashlib.sha256(json.dumps(sorted(self.encoding.items())).encode())
        if self.bits != 8:
            digest.update(f"{self.bits} bits".encode())
        for split in SPLITS:
            for id in sorted(self.pairs[split]):
                digest.update(json.dumps([split, id]).encode())
                for path in self.pairs[split][id]:
                    with open(path, "rb") as file:
                        digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
