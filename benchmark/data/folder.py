"""Folder: your own images and masks, paired by file name, with optional split files.

Source: images of your own, under a licence that you know. Layout, the first of these that fits:
1. `train/`, `val/` and `test/`, each holding `images/` and `masks/`;
2. `images/` and `masks/`, and a folder `splits` with `train.txt`, `val.txt`, `test.txt` (one file stem per line);
3. `images/` and `masks/` alone: split at the fractions, in the order of a hash of each id.
Encoding: declared, file value -> class; by default 0 is background and 255 foreground. Palette masks hold indices.
"""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.encodings import check_classes, check_encoding
from benchmark.data.files import PairedFiles, Pairs, find_folder, find_images, pair_files
from benchmark.data.images import SUFFIXES
from benchmark.data.source import SPLITS, VOID
from benchmark.data.splitting import split_by_hash
from benchmark.errors import InputError, did_you_mean
from benchmark.regular_files import read_text

BINARY = {0: 0, 255: 1}


class Folder(PairedFiles):
    """Images and masks under `root`, split as the module's docstring says.

    encoding: file value -> class (None: {0: 0, 255: 1}). ignore: file value of pixels that do not count.
    classes: by default the largest class of the encoding plus one. background: its index, None if every class counts.
    splits: folder of the split files, relative to `root` or absolute; None: `splits`, if there is one.
    fractions: of train, val and test otherwise. bits: of the images, 8, or up to 16 for 16-bit grey files.
    """

    encoding_key = "data.encoding"

    def __init__(
        self,
        root: str | Path,
        *,
        images: str = "images",
        masks: str = "masks",
        encoding: Mapping | None = None,
        classes: int | None = None,
        class_names: Sequence[str] | None = None,
        background: int | None = 0,
        ignore: int | None = None,
        splits: str | None = None,
        fractions: Sequence[float] = (0.7, 0.15, 0.15),
        split_seed: int = 0,
        bits: int = 8,
    ) -> None:
        if type(bits) is not int or not 8 <= bits <= 16:
            raise InputError(f"data.bits={bits!r}: must be 8 to 16")
        declared = check_encoding(BINARY if encoding is None else encoding, VOID)
        of = "data.encoding" if classes is None else f"data.classes={classes}"
        if classes is None:
            classes = 1 + max(declared.values(), default=0)
        class_names = check_classes(classes, background, class_names, of)
        if ignore is not None:
            declared[ignore] = VOID
        folder = Path(root).expanduser()
        pairs = _find(folder, images, masks, splits=splits, fractions=fractions, split_seed=split_seed)
        super().__init__(
            Path(os.path.abspath(folder)).name,
            class_names,
            pairs,
            check_encoding(declared, classes),
            background=background,
        )
        self.bits = bits


def _find(
    root: Path, images: str, masks: str, *, splits: str | None, fractions: Sequence[float], split_seed: int
) -> dict[str, Pairs]:
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "no such folder"
        raise InputError(f"{root}: {what}; set data.root to one that holds {images}/ and {masks}/")
    present = [split for split in SPLITS if (root / split).is_dir()]
    if splits is None and present:
        if len(present) < len(SPLITS):
            raise InputError(f"{root}: has {'/, '.join(present)}/ but not all of train/, val/, test/; add the others")
        return {split: _pairs(root / split, images, masks) for split in SPLITS}
    pairs = _pairs(root, images, masks)
    if splits is None and (root / "splits").is_dir():
        splits = "splits"
    if splits is None:
        return split_by_hash(pairs, fractions, split_seed, root)
    return _split_by_files(pairs, root / splits, root / images)


def _pairs(root: Path, images: str, masks: str) -> Pairs:
    cure = "create it or set data.images/data.masks"
    return pair_files(*(find_images(find_folder(root, name, cure=cure), *SUFFIXES) for name in (images, masks)))


def _split_by_files(pairs: Pairs, folder: Path, images_dir: Path) -> dict[str, Pairs]:
    """The ids listed in train.txt, val.txt and test.txt, in their order; images listed nowhere are left out."""
    seen: dict[str, Path] = {}
    result: dict[str, Pairs] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if not path.exists():
            raise InputError(f"{path}: split file is missing; write one file stem per line, or set data.splits=null")
        lines = read_text(path, "split file").splitlines()
        ids = [_as_in_files(line.strip(), pairs) for line in lines if line.strip()]
        if not ids:
            raise InputError(f"{path}: lists no images; write one file stem per line")
        for id in ids:
            if id not in pairs:
                cure = f"write {Path(id).stem}" if Path(id).stem in pairs else f"correct the list{_nearest(id, pairs)}"
                raise InputError(f"{path}: lists {id!r} but {images_dir} has no image of that stem; {cure}")
            if id in seen:
                raise InputError(f"{path}: lists {id!r}, which {seen[id].name} lists already; keep it in one split")
            seen[id] = path
        result[split] = {id: pairs[id] for id in ids}
    return result


def _as_in_files(id: str, pairs: Pairs) -> str:
    """The id in the form that file names have: an accent is one character in some lists, and two in others."""
    forms = (unicodedata.normalize(form, id) for form in ("NFC", "NFD"))
    return next((form for form in (id, *forms) if form in pairs), id)


def _nearest(id: str, pairs: Pairs) -> str:
    return did_you_mean(id, list(pairs)[:2000]).replace("?", "")
