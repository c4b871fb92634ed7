"""Finds image and mask files and pairs them by id; the base class of data sets that are folders of files."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from benchmark.data.encodings import Encoding
from benchmark.data.folder_contents import found_in, names
from benchmark.data.images import SUFFIXES, check_size, read_image
from benchmark.data.masks import read_mask
from benchmark.data.source import SPLITS, Sample
from benchmark.errors import MOST_LISTED, DetailedError, InputError
from benchmark.regular_files import file_sha256

Pairs = dict[str, tuple[Path, ...]]
"""Of each id the image file and the mask file or files; one that lacks has a name that no file has, see `lacking`."""


_NO_FILE = ".*"  # ends the name of a file that lacks; no file that is looked for has this suffix


class FileIndex(NamedTuple):
    """Files by id, the folder that holds them, and how files are named that belong here."""

    files: dict[str, Path]
    folder: Path
    wanted: str = ""


def find_folder(root: Path, *names: str, cure: str) -> Path:
    """The first of the folders `names` that exists below `root`; if it contains itself, as some archives do, the inner.

    Raises InputError, which ends with `cure`, if none of them exists.
    """
    if not root.is_dir():
        raise InputError(f"{root}: {'is no folder' if root.exists() else 'no such folder'}; {cure}")
    for name in names:
        folder = root / name
        inner = folder / folder.name
        if folder.is_dir():
            return inner if inner.is_dir() else folder
    raise InputError(f"{root}: has no folder {' or '.join(names)}; {cure}{found_in(root)}")


def enter(root: str | Path, *names: str) -> Path:
    """Descend from `root` into folders of these names, as long as there is one."""
    folder = Path(root).expanduser()
    while inner := next((folder / name for name in names if (folder / name).is_dir()), None):
        folder = inner
    return folder


def find_images(folder: Path, *suffixes: str) -> FileIndex:
    """The files with one of these suffixes, such as ".jpg", by stem. The case of a suffix does not matter."""
    index = find_named(folder, rf"(?P<id>.+)({'|'.join(map(re.escape, suffixes))})")
    return index._replace(wanted=" or ".join(suffixes))


def find_named(folder: Path, name: str) -> FileIndex:
    """The files whose names match a regular expression, by its group "id". Case does not matter."""
    pattern = re.compile(name, re.IGNORECASE)
    matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir() if path.name[0] != ".")
    return FileIndex(index_ids((match["id"], path) for match, path in matches if match), folder)


def index_ids(items: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    """Files by id, sorted. Raises InputError for two files of one id."""
    files: dict[str, Path] = {}
    for id, path in sorted(items):
        if id in files:
            raise InputError(f"{path}: has the same id as {files[id].name}; keep one file per id ({id!r})")
        files[id] = path
    return files


def pair_files(images: FileIndex, *masks: FileIndex, unpaired: dict[str, str] | None = None) -> Pairs:
    """The files of each id, its image first, in the order of the images; then those of masks without an image.

    What lacks a partner is refused when it is read, together with all other files that cannot be used. Images without a
    mask and masks without an image are left out if there is a place for the reasons, `unpaired`.

    Raises:
        InputError: there are no images, or none of several has a mask, or only other files lie where masks should be.
    """
    require_images(images)
    for index in masks:
        none = unpaired is None and not images.files.keys() & index.files.keys()
        if none and (len(images.files) > 1 or (not index.files and found_in(index.folder))):
            raise _without_masks(images, index)
    pairs = {}
    for id in dict.fromkeys(id for index in (images, *masks) for id in index.files):
        pairs[id] = tuple(index.files.get(id, index.folder / f"{id}{_NO_FILE}") for index in (images, *masks))
    if unpaired is None:
        return pairs
    reasons = {id: why for id, files in pairs.items() if (why := lacking(*files))}
    unpaired |= {id: why for id, why in reasons.items() if id in images.files}
    kept = {id: files for id, files in pairs.items() if id not in reasons}
    if not kept:
        raise InputError(f"{images.folder}: no image has a mask in {masks[0].folder}; give masks of the same names")
    return kept


def lacking(image: Path, *masks: Path) -> str | None:
    """What to say of an image without a mask, or of a mask without an image; None if both are there."""
    there = [path for path in masks if os.path.lexists(path)]
    if len(there) < len(masks) and os.path.lexists(image):
        folder = next(path.parent for path in masks if path not in there)
        return f"{image}: has no mask in {folder}; add the mask or remove the file"
    if there and not os.path.lexists(image):
        return f"{there[0]}: has no image in {image.parent}; add the image or remove the file"
    return None


def merge(folder: Path, indices: Iterable[FileIndex]) -> FileIndex:
    """The files of several folders below `folder`. Raises InputError for two files of one id."""
    parts = list(indices)
    files = index_ids(item for index in parts for item in index.files.items())
    return FileIndex(files, folder, next((index.wanted for index in parts), ""))


def require_images(images: FileIndex) -> None:
    """Raise InputError if there are none, and say which other files are there."""
    if not images.files:
        wanted = f" named *{images.wanted.replace(' ', ' *').replace('*or', 'or')}" if images.wanted else ""
        cure = "put them there or correct data.root"
        if any(path.suffix.lower() in SUFFIXES for path in images.folder.glob("*.*")):
            cure = "convert those that are there, or read them with data=folder"
        raise InputError(f"{images.folder}: holds no images{wanted}; {cure}{found_in(images.folder)}")


def _without_masks(images: FileIndex, masks: FileIndex) -> InputError:
    """The error for several images, none of which has a mask; it says what lies where the masks should be."""
    first, *more = images.files.values()
    others = list(masks.files.values())
    found = f" (without a partner there: {names(others)})" if others else found_in(masks.folder)
    alone = f"{first} (and {len(more)} more)" if more else str(first)
    message = f"{alone}: has no mask in {masks.folder}; add the mask or remove the file{found}"
    return DetailedError(message, [first, *more], most=MOST_LISTED) if more else InputError(message)


class PairedFiles:
    """A data set of image files with mask files.

    A subclass finds the files. If an image has more than one mask file, or only a part of a picture is used, it
    overrides `decode`.

    Args:
        name: of the data set.
        class_names: one for each class.
        pairs: for each split, the files of each id.
        encoding: value in a mask file -> class index, or `VOID`.
        groups: id -> patient or sequence, where they are known.
        background: index of the class that is no object; None if every class is one.
        variant: what the result of `decode` depends on besides files and encoding, for the fingerprint.
    """

    bits = 8
    encoding_key: str | None = None
    """The configuration's key of the encoding, where any may be declared."""
    threshold_key: str | None = None
    """The key that may ask for a threshold, where only that may be declared."""

    why_empty: Mapping[str, str] = MappingProxyType({})
    """For splits without images, what is missing, where that is known."""

    def __init__(
        self,
        name: str,
        class_names: Sequence[str],
        pairs: dict[str, Pairs],
        encoding: Encoding,
        *,
        groups: Mapping[str, str] | None = None,
        background: int | None = 0,
        variant: str = "",
    ) -> None:
        self.name, self.background, self.class_names = name, background, tuple(class_names)
        self.classes = len(class_names)
        self.pairs, self.encoding, self.groups, self.variant = pairs, encoding, groups or {}, variant

    def splits(self) -> dict[str, list[str]]:
        return {split: list(self.pairs[split]) for split in SPLITS}

    def read(self, split: str, id: str) -> Sample:
        files = self.pairs[split][id]
        if why := lacking(*files):
            raise InputError(why)
        image, mask = self.decode(*files)
        return Sample(image, mask, id, self.groups.get(id, ""))

    def decode(self, image: Path, *masks: Path) -> tuple[np.ndarray, np.ndarray]:
        """Read the image (H, W, 3) and its mask (H, W) of class indices. Raises InputError if their sizes differ."""
        (mask,) = masks
        pixels, labels = read_image(image, self.bits), self.read_labels(mask)
        check_size(pixels, image, labels, mask)
        return pixels, labels

    def read_labels(self, mask: Path) -> np.ndarray:
        """The class indices (H, W) of a mask file, by the encoding."""
        return read_mask(mask, self.encoding, self.encoding_key, self.threshold_key)

    def fingerprint(self) -> str:
        """SHA-256 of the encoding, of the split, the id and the bytes of every file, and of the variant."""
        digest = hashlib.sha256(json.dumps(sorted(self.encoding.items())).encode())
        if self.bits != 8:
            digest.update(f"{self.bits} bits".encode())
        for split in SPLITS:
            for id in sorted(self.pairs[split]):
                digest.update(json.dumps([split, id]).encode())
                for path in self.pairs[split][id]:
                    digest.update(bytes.fromhex(_hash(path)))
        if not self.variant:
            return digest.hexdigest()
        return hashlib.sha256(f"{digest.hexdigest()} {self.variant}".encode()).hexdigest()


def _hash(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); replace the file or leave it out") from error
