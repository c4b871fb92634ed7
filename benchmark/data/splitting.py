"""Draws splits for data sets that were published without them. Images of one patient or sequence stay together."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmark.data.files import Pairs
from benchmark.data.source import SPLITS
from benchmark.errors import InputError


def split_by_hash(
    pairs: Pairs, fractions: Sequence[float], seed: int, root: Path, groups: Mapping[str, str] | None = None
) -> dict[str, Pairs]:
    """Draw train, val and test: order the groups by a hash of seed and group, then cut that order at the fractions.

    Images of one group stay together; an image without a group forms one by itself. Every split gets at least one
    group, unless its fraction is 0: it is empty then. The sizes come as close to the fractions as whole groups in that
    order allow.

    Raises:
        InputError: the fractions are not three numbers from 0 that sum to 1, or there are fewer groups than splits.
    """
    plain = [fraction for fraction in fractions if isinstance(fraction, int | float) and 0 <= fraction <= 1]
    if len(fractions) != 3 or len(plain) != 3 or abs(sum(plain) - 1) > 1e-6:
        raise InputError(f"data.fractions={list(fractions)}: three numbers from 0 that sum to 1 are needed")
    filled = [split for split, fraction in zip(SPLITS, fractions, strict=True) if fraction]
    if len(filled) == 1:
        return {split: dict(pairs) if split in filled else {} for split in SPLITS}
    sizes = [max(1, round(len(pairs) * fraction)) for fraction in fractions if fraction]
    sizes[0] = max(1, len(pairs) - sum(sizes[1:]))
    ends = np.cumsum(sizes[:-1]).tolist()
    parts = _cut(pairs, ends, seed=seed, root=root, parts=f"{', '.join(filled[:-1])} and {filled[-1]}", groups=groups)
    return {split: {} for split in SPLITS} | dict(zip(filled, parts, strict=True))


def hold_out(
    pairs: Pairs, fraction: float, seed: int, root: Path, groups: Mapping[str, str] | None = None
) -> tuple[Pairs, Pairs]:
    """Draw a validation split of about that fraction from the training images; returns train and val.

    Raises InputError if the fraction is not between 0 and 1, or if there are fewer than two groups.
    """
    if not 0 < fraction < 1:
        raise InputError(f"data.val_fraction={fraction}: must be between 0 and 1")
    kept = len(pairs) - max(1, round(len(pairs) * fraction))
    train, val = _cut(pairs, (kept,), seed=seed, root=root, parts="train and val", groups=groups)
    return train, val


def _cut(
    pairs: Pairs, ends: Sequence[int], *, seed: int, root: Path, parts: str, groups: Mapping[str, str] | None
) -> list[Pairs]:
    """Cut the order of the groups into parts that end as close to `ends`, counted in images, as whole groups allow."""
    members: dict[str, list[str]] = {}
    for id in pairs:
        members.setdefault((groups or {}).get(id) or id, []).append(id)
    if len(members) <= len(ends):
        images = f"{len(pairs)} image{'s' * (len(pairs) != 1)}"
        what = images if groups is None else f"{len(members)} patients or sequences"
        raise InputError(f"{root}: {what} cannot be split into {parts}; add images")
    mixed = sorted(members, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode()).digest())
    counts = np.cumsum([0, *(len(members[group]) for group in mixed)])
    cuts = [0]
    for number, end in enumerate(ends, 1):
        possible = range(cuts[-1] + 1, len(mixed) - len(ends) + number)
        cuts.append(min(possible, key=lambda cut: abs(int(counts[cut]) - end)))
    cuts.append(len(mixed))
    parts_ids = ({id for group in mixed[first:last] for id in members[group]} for first, last in pairwise(cuts))
    return [{id: files for id, files in pairs.items() if id in ids} for ids in parts_ids]
