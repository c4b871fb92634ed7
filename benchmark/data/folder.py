"""Folder: your own images and masks, paired by file name, with optional split files.

Source: images of your own, under a licence that you know. Layout, the first of these that fits:
1. `train/`, `val/` and `test/`, or only some of them, each holding `images/` and `masks/`;
2. `images/` and `masks/`, and a folder `splits` with `train.txt`, `val.txt`, `test.txt` (one file stem per line);
3. `images/` and `masks/` alone: split at the fractions, in the order of a hash of each id.
An attack needs images in the split that it attacks; training needs train and val.
Encoding: declared, file value -> class; by default 0 is background and 255 foreground. Palette masks hold indices.
Labels that overlap: file value -> list of labels, such as {0: [], 128: [disc], 255: [disc, cup]}.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.encodings import check_classes, check_encoding
from benchmark.data.files import PairedFiles, Pairs, find_folder, find_images, pair_files
from benchmark.data.images import SUFFIXES
from benchmark.data.nested import names_labels, subset_encoding
from benchmark.data.source import SPLITS, VOID
from benchmark.data.split_lists import split_by_lists
from benchmark.data.splitting import split_by_hash
from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL

BINARY = {0: 0, 255: 1}
FRACTIONS = (0.7, 0.15, 0.15)
"""Of train, val and test."""


class Folder(PairedFiles):
    """Images and masks under `root`, split as the module's docstring says.

    encoding: file value -> class (None: {0: 0, 255: 1}), or -> labels that overlap; class_names are then theirs.
    ignore: file value of pixels that do not count. classes: by default the largest class of the encoding plus one.
    background: its index, None if every class counts.
    splits: folder of the split files, relative to `root` or absolute; None: `splits`, if there is one.
    fractions: of train, val and test otherwise (None: `FRACTIONS`). bits: of the images, 8, or up to 16 for 16-bit
    grey files.

    Attributes:
        why_empty: for splits without images, what is missing.
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
        fractions: Sequence[float] | None = None,
        split_seed: int = 0,
        bits: int = 8,
    ) -> None:
        if type(bits) is not int or not 8 <= bits <= 16:
            raise InputError(f"data.bits={bits!r}: must be 8 to 16")
        overlapping = names_labels(encoding)
        if overlapping:
            encoding, class_names = subset_encoding(encoding or {}, class_names)
            classes, background = len(class_names), NO_LABEL
        declared = check_encoding(BINARY if encoding is None else encoding, VOID)
        of = "data.encoding" if classes is None else f"data.classes={classes}"
        if classes is None:
            classes = 1 + max(declared.values(), default=0)
        class_names = check_classes(classes, background, class_names, of)
        if ignore is not None:
            declared[ignore] = VOID
        folder = Path(root).expanduser()
        pairs, self.why_empty = _find(folder, images, masks, splits=splits, fractions=fractions, split_seed=split_seed)
        super().__init__(
            Path(os.path.abspath(folder)).name,
            class_names,
            pairs,
            check_encoding(declared, classes),
            background=background,
        )
        self.bits = bits


def _find(
    root: Path, images: str, masks: str, *, splits: str | None, fractions: Sequence[float] | None, split_seed: int
) -> tuple[dict[str, Pairs], dict[str, str]]:
    """The files of each split, and why a split has none."""
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "no such folder"
        raise InputError(f"{root}: {what}; set data.root to one that holds {images}/ and {masks}/")
    present = [split for split in SPLITS if (root / split).is_dir()]
    if splits is None and present:
        _check_alone(fractions, root, ", ".join(f"{split}/" for split in present))
        empty = {split: f"has no images: there is no folder {root / split}" for split in SPLITS if split not in present}
        return {split: _pairs(root / split, images, masks) if split in present else {} for split in SPLITS}, empty
    pairs = _pairs(root, images, masks)
    if splits is None and (root / "splits").is_dir():
        splits = "splits"
    if splits is not None:
        _check_alone(fractions, root, f"the lists of {root / splits}")
        return split_by_lists(pairs, root / splits, root / images)
    fractions = FRACTIONS if fractions is None else fractions
    reason = f"has no images, by data.fractions={list(fractions)}"
    return split_by_hash(pairs, fractions, split_seed, root), dict.fromkeys(SPLITS, reason)


def _check_alone(fractions: Sequence[float] | None, root: Path, others: str) -> None:
    """Raise InputError if fractions are given where the folder says what is in which split."""
    if fractions is not None:
        raise InputError(
            f"data.fractions={list(fractions)}: {root} is split already, by {others}; leave data.fractions out, "
            "or move those elsewhere to draw splits anew"
        )


def _pairs(root: Path, images: str, masks: str) -> Pairs:
    cure = "create it or set data.images/data.masks"
    return pair_files(*(find_images(find_folder(root, name, cure=cure), *SUFFIXES) for name in (images, masks)))
