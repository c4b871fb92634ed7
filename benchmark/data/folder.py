"""Folder: your own images and masks, paired by file name, with optional split files.

Source: images of your own, under a licence that you know. Layout, the first of these that fits:
1. `train/`, `val/` and `test/`, or only some of them, each holding `images/` and `masks/`;
2. `images/` and `masks/`, and a folder `splits` with `train.txt`, `val.txt`, `test.txt` (one file stem per line);
3. `images/` and `masks/` alone: split at the fractions, in the order of a hash of each id.
With predicted labels no `masks/` is needed, images may lie in the folder itself, and without fractions all of layout 3
are test images. An attack needs images in the split that it attacks; training needs train and val.
Encoding: declared, file value -> class; by default 0 is background and 255 foreground. Palette masks hold indices.
Labels that overlap: file value -> list of labels, such as {0: [], 128: [disc], 255: [disc, cup]}.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.data.bad_files import SKIP, STOP
from benchmark.data.encodings import BINARY, check_classes, check_encoding, declared_encoding
from benchmark.data.files import PairedFiles
from benchmark.data.folder_layout import IMAGES, find_splits
from benchmark.data.images import read_image
from benchmark.data.loading_options import EVERY, check_choice
from benchmark.data.nested import names_labels, subset_encoding
from benchmark.data.source import FILES, PREDICTED, SPLITS, VOID
from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL


class Folder(PairedFiles):
    """Images and masks under `root`, split as the module's docstring says.

    encoding: file value -> class (None: {0: 0, 255: 1}), or -> labels that overlap; class_names are then theirs; or
    "threshold" or {"threshold": LEVEL}, see `declared_encoding`.
    ignore: file value of pixels that do not count. classes: by default the largest class of the encoding plus one.
    background: its index, None if every class counts.
    splits: folder of the split files, relative to `root` or absolute; None: `splits`, if there is one.
    fractions: of train, val and test otherwise (None: .7, .15, .15). bits: of the images, 8, or up to 16 for 16-bit
    grey files. labels: "predicted": no masks are looked for, and every mask is `VOID`.
    test_split: "all": one or two images need no split.

    Attributes:
        why_empty: for splits without images, what is missing.
        notes: what was assumed of the folder, a sentence each.
        unpaired: images without a mask that were left out, by on_bad="skip".
        classes_open: whether nothing says how many classes there are; they are then those of the victim.
        splits_drawn: whether the splits are this program's own, by fractions that nobody gave.
        given_names: class_names as they were given.
    """

    encoding_key = "data.encoding"

    def __init__(
        self,
        root: str | Path,
        *,
        images: str = IMAGES,
        masks: str = "masks",
        encoding: Mapping | str | None = None,
        classes: int | None = None,
        class_names: Sequence[str] | None = None,
        background: int | None = 0,
        ignore: int | None = None,
        splits: str | None = None,
        fractions: Sequence[float] | None = None,
        split_seed: int = 0,
        bits: int = 8,
        labels: str = FILES,
        on_bad: str = STOP,
        test_split: str = "test",
    ) -> None:
        if type(bits) is not int or not 8 <= bits <= 16:
            raise InputError(f"data.bits={bits!r}: must be 8 to 16")
        check_choice("labels", labels, (FILES, PREDICTED))
        check_choice("on_bad", on_bad, (STOP, SKIP))
        predicted = labels == PREDICTED
        self.classes_open, self.given_names = predicted and classes is None and encoding is None, class_names
        if names_labels(encoding):
            encoding, class_names = subset_encoding(encoding, class_names)
            classes, background = len(class_names), NO_LABEL
        declared = declared_encoding(encoding, VOID, BINARY)
        of = "data.encoding" if classes is None else f"data.classes={classes}"
        if classes is None:
            classes = 1 + max(declared.values(), default=0)
        # Whether names and background fit the classes of a victim is seen when they are known.
        given = (None, None) if self.classes_open else (background, class_names)
        names = check_classes(classes, *given, of)
        if ignore is not None:
            declared[ignore] = VOID
        folder = Path(root).expanduser()
        found = find_splits(
            folder,
            images,
            masks,
            predicted=predicted,
            skip=on_bad == SKIP,
            every=test_split == EVERY,
            splits=splits,
            fractions=fractions,
            split_seed=split_seed,
        )
        self.why_empty, self.notes, self.unpaired = found.why_empty, found.notes, found.unpaired
        self.splits_drawn = found.drawn
        if predicted:
            self.notes += _ignored(folder, masks, encoding)
        super().__init__(
            Path(os.path.abspath(folder)).name,
            names,
            found.pairs,
            {} if predicted else check_encoding(declared, classes),
            background=background,
        )
        self.bits = bits

    def decode(self, image: Path, *masks: Path) -> tuple[np.ndarray, np.ndarray]:
        if masks:
            return super().decode(image, *masks)
        pixels = read_image(image, self.bits)
        return pixels, np.full(pixels.shape[:2], VOID, np.uint8)


def _ignored(root: Path, masks: str, encoding: object) -> list[str]:
    """What is there of masks, though labels are predicted: a sentence each."""
    places = [place for place in (root / masks, *(root / split / masks for split in SPLITS)) if place.is_dir()]
    notes = []
    if places:
        read = "data.labels=predicted: the files of {} are not read; leave data.labels out to attack with them"
        notes.append(read.format(" and ".join(map(str, places))))
    if encoding is not None:
        notes.append(
            "data.labels=predicted: data.encoding only says which classes there are, and no mask is read by it"
        )
    return notes
