"""Image and mask files paired by id: what the sources that read folders share."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from benchmark.data.images import Encoding, read_pair
from benchmark.data.source import SPLITS, Sample
from benchmark.errors import InputError

Pairs = dict[str, tuple[Path, Path]]  # id -> image file, mask file


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


def pair_files(images: dict[str, Path], masks: dict[str, Path], images_dir: Path, masks_dir: Path) -> Pairs:
    """Image and mask of each id, in the images' order. Raises InputError for what is empty or has no partner."""
    if not images:
        raise InputError(f"{images_dir}: holds no images; put them there or correct data.root")
    for have, lack, folder, what in (
        (images, masks, masks_dir, "mask"),
        (masks, images, images_dir, "image"),
    ):
        alone = [path for id, path in have.items() if id not in lack]
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise InputError(f"{alone[0]}{more}: has no {what} in {folder}; add the {what} or remove the file")
    return {id: (path, masks[id]) for id, path in images.items()}


class PairedFiles:
    """A source over `pairs`, one dictionary per split; masks follow the declared encoding.

    Sub-classes find the files; reading and hashing them is the same for every layout.
    """

    name: str
    classes: int
    background: int | None
    class_names: tuple[str, ...]

    def __init__(self, pairs: dict[str, Pairs], encoding: Encoding) -> None:
        self.pairs = pairs
        self.encoding = encoding

    def splits(self) -> dict[str, list[str]]:
        return {split: list(self.pairs[split]) for split in SPLITS}

    def read(self, split: str, id: str) -> Sample:
        image, mask = read_pair(*self.pairs[split][id], self.encoding)
        return Sample(image, mask, id)

    def fingerprint(self) -> str:
        """SHA-256 over split, id and the files' bytes, and over the encoding."""
        digest = hashlib.sha256(json.dumps(sorted(self.encoding.items())).encode())
        for split in SPLITS:
            for id in sorted(self.pairs[split]):
                digest.update(json.dumps([split, id]).encode())
                for path in self.pairs[split][id]:
                    with open(path, "rb") as file:
                        digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
