"""The files of a folder of one's own, by split."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.data.bad_files import Skipped
from benchmark.data.files import FileIndex, Pairs, find_folder, find_images, pair_files, require_images
from benchmark.data.images import SUFFIXES
from benchmark.data.loading_options import EVERY
from benchmark.data.source import PREDICTED, SPLITS
from benchmark.data.split_lists import split_by_lists
from benchmark.data.splitting import split_by_hash
from benchmark.errors import InputError

IMAGES = "images"
FRACTIONS = (0.7, 0.15, 0.15)
"""Of train, val and test."""


class FoundSplits(NamedTuple):
    """The files of each split, why a split has none, and what was assumed of the folder, a sentence each.

    `unpaired` are the images that were left out because they have no mask; `drawn` says whether nobody but this program
    has divided the images among several splits.
    """

    pairs: dict[str, Pairs]
    why_empty: dict[str, str]
    notes: list[str]
    unpaired: Sequence[Skipped] = ()
    drawn: bool = False


def find_splits(
    root: Path,
    images: str,
    masks: str,
    *,
    predicted: bool = False,
    skip: bool = False,
    every: bool = False,
    splits: str | None,
    fractions: Sequence[float] | None,
    split_seed: int,
) -> FoundSplits:
    """The images and masks below `root`, split as the folder says, else at the fractions.

    Args:
        root: the folder.
        images, masks: folders in it or in its train/, val/ and test/.
        predicted: whether masks are not looked for, because labels are predicted.
        skip: whether images without a mask are left out.
        every: whether all images are attacked, so that too few for three splits need none.
        splits: folder of split files; None: `splits`, if there is one.
        fractions: of train, val and test; None: `FRACTIONS`, or all images are test images if labels are predicted.
        split_seed: of the splits that are drawn.
    """
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "no such folder"
        wanted = images + ("/" if predicted else f"/ and {masks}/")
        raise InputError(f"{root}: {what}; set data.root to one that holds {wanted}")
    notes: list[str] = []
    present = [split for split in SPLITS if (root / split).is_dir()]
    if splits is None and present:
        _check_alone(fractions, root, ", ".join(f"{split}/" for split in present))
        empty = {split: f"has no images: there is no folder {root / split}" for split in SPLITS if split not in present}
        alone: dict[str, dict[str, str]] = {split: {} for split in present}
        of = {split: alone[split] if skip else None for split in present}
        there = {split: _pairs(root / split, images, masks, predicted, of[split]) for split in present}
        left = [Skipped(split, id, reason) for split in present for id, reason in alone[split].items()]
        return FoundSplits({split: there.get(split, {}) for split in SPLITS}, empty, notes, left)
    unpaired: dict[str, str] = {}
    pairs = _pairs(root, images, masks, predicted, unpaired if skip else None)
    left = [Skipped(EVERY, id, reason) for id, reason in unpaired.items()]
    if splits is None and (root / "splits").is_dir():
        splits = "splits"
    if splits is not None:
        _check_alone(fractions, root, f"the lists of {root / splits}")
        return FoundSplits(*split_by_lists(pairs, root / splits, root / images, unpaired), notes, left)
    too_few = fractions is None and len(pairs) < len(SPLITS)
    reason = f"has no images, by data.fractions={list(fractions or FRACTIONS)}"
    if fractions is None and (predicted or (every and too_few)):
        why = "" if predicted else ", and has too few images to be"
        notes.append(f"{root} is not split{why}: all of its images are test images")
        given = f"data.labels={PREDICTED}" if predicted else f"data.test_split={EVERY} and so few images"
        reason = f"has no images, because with {given} all images of {root} are test images unless it is split"
        fractions = (0, 0, 1)
    own = fractions is None
    fractions = FRACTIONS if fractions is None else fractions
    try:
        drawn = split_by_hash(pairs, fractions, split_seed, root)
    except InputError as error:
        if not too_few:
            raise
        raise InputError(f"{error}, or attack all of them, data.test_split=all") from error
    return FoundSplits(drawn, dict.fromkeys(SPLITS, reason), notes, left, own)


def _check_alone(fractions: Sequence[float] | None, root: Path, others: str) -> None:
    """Raise InputError if fractions are given where the folder says what is in which split."""
    if fractions is not None:
        raise InputError(
            f"data.fractions={list(fractions)}: {root} is split already, by {others}; leave data.fractions out, "
            "or move those elsewhere to draw splits anew"
        )


def _pairs(root: Path, images: str, masks: str, predicted: bool, unpaired: dict[str, str] | None) -> Pairs:
    cure = "create it or set data.images/data.masks"
    if predicted:
        found = _pictures(root, images, cure.rpartition("/")[0])
        require_images(found)
        return {id: (path,) for id, path in found.files.items()}
    cure += "; images without masks can be attacked, data.labels=predicted"
    files = (find_images(find_folder(root, name, cure=cure), *SUFFIXES) for name in (images, masks))
    return pair_files(*files, unpaired=unpaired)


def _pictures(root: Path, images: str, cure: str) -> FileIndex:
    """The pictures of the folder `images` or, if there is none and no other is named, those of `root` itself."""
    if images == IMAGES and not (root / images).is_dir() and (own := find_images(root, *SUFFIXES)).files:
        return own
    return find_images(find_folder(root, images, cure=cure), *SUFFIXES)
