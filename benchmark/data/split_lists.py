"""Split files: one list of images for each split."""

import os
import unicodedata
from collections.abc import Container
from pathlib import Path

from benchmark.data.files import Pairs
from benchmark.data.source import SPLITS
from benchmark.errors import InputError, did_you_mean
from benchmark.regular_files import read_text


def split_by_lists(
    pairs: Pairs, folder: Path, images_dir: Path, left_out: Container[str] = ()
) -> tuple[dict[str, Pairs], dict[str, str]]:
    """The images that train.txt, val.txt and test.txt of the folder list, in their order, and why a split has none.

    Images listed nowhere are left out, and those of `left_out`. Raises InputError for a list that cannot be used, and
    if nothing is listed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of split files; correct data.splits, or set data.splits=null")
    seen: dict[str, Path] = {}
    result: dict[str, Pairs] = {}
    empty: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        there = os.path.lexists(path)
        lines = read_text(path, "split file").splitlines() if there else []
        ids = [_as_in_files(line.strip(), pairs) for line in lines if line.strip()]
        ids = [id for id in ids if id not in left_out]
        if not ids:
            what = "lists no images" if there else "split file is missing"
            empty[split] = f"has no images ({path}: {what}; write one file stem per line)"
        for id in ids:
            if id not in pairs:
                cure = f"write {Path(id).stem}" if Path(id).stem in pairs else f"correct the list{_nearest(id, pairs)}"
                raise InputError(f"{path}: lists {id!r} but {images_dir} has no image of that stem; {cure}")
            if id in seen:
                raise InputError(f"{path}: lists {id!r}, which {seen[id].name} lists already; keep it in one split")
            seen[id] = path
        result[split] = {id: pairs[id] for id in ids}
    if not seen:
        raise InputError(f"{folder}: lists no images; write one file stem per line into train.txt, val.txt or test.txt")
    return result, empty


def _as_in_files(id: str, pairs: Pairs) -> str:
    """The id in the form that file names have: an accent is one character in some lists, and two in others."""
    forms = (unicodedata.normalize(form, id) for form in ("NFC", "NFD"))
    return next((form for form in (id, *forms) if form in pairs), id)


def _nearest(id: str, pairs: Pairs) -> str:
    return did_you_mean(id, list(pairs)[:2000]).replace("?", "")
