"""Finds errors and suspicious images in a data set that has been scanned."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmark.data.source import VOID
from benchmark.data_check.duplicates import Pair, clusters, near, same
from benchmark.data_check.mask_fit import unlikely
from benchmark.data_check.scan import Item, foreground

KINDS = {
    "unreadable": "cannot be read, or image and mask do not go together; data.on_bad=skip goes on without such images",
    "same image": "the same pixels twice",
    "similar image": "nearly the same picture twice (perceptual hash)",
    "split patient": "a patient or sequence in more than one split",
    "same mask": "one mask for several images",
    "exchanged masks": "masks of two images fit better the other way round; suspicious, not certain",
    "unlikely mask": "other images' masks fit better than its own; suspicious, not certain",
    "faint mask": "other images' masks fit as well as its own, but none fits well; it may be faint, or wrong",
    "blank image": "all pixels alike",
    "empty mask": "no foreground",
    "full mask": "nothing but foreground",
    "similar frames": "nearly the same picture within a patient or sequence, in one split",
}
"""What findings are called, in the order in which they are shown."""

NOTES = {"faint mask", "empty mask", "full mask", "similar frames"}
"""Kinds that may well be as they should be."""


class Finding(NamedTuple):
    """What is wrong with one image, or with several.

    kind: one of `KINDS`. places: of the images in the list of items. score: a number that `detail` explains, or None.
    """

    kind: str
    places: tuple[int, ...]
    detail: str
    score: float | None = None

    @property
    def is_problem(self) -> bool:
        """Whether somebody should look at it."""
        return self.kind not in NOTES


def find(items: Sequence[Item], background: int | None) -> list[Finding]:
    """All findings, by kind and place."""
    fits = [*_unlikely(items, background)]
    accused = {place for finding in fits for place in finding.places}
    findings = [*_single(items, background), *_twice(items), *_patients(items), *_same_masks(items, accused), *fits]
    order = list(KINDS)
    return sorted(findings, key=lambda finding: (order.index(finding.kind), finding.places))


def _single(items: Sequence[Item], background: int | None) -> Iterator[Finding]:
    for place, item in enumerate(items):
        if item.error is not None:
            yield Finding("unreadable", (place,), item.error)
            continue
        if item.blank:
            yield Finding("blank image", (place,), "all pixels have one colour")
        if not item.counts:  # an image without a mask
            continue
        valid = sum(count for value, count in item.counts.items() if value != VOID)
        empty = item.counts.get(background, 0) if background is not None else 0
        if empty == valid:
            yield Finding("empty mask", (place,), "no pixel is foreground" if valid else "no pixel has a class")
        elif background is not None and not empty:
            yield Finding("full mask", (place,), "every pixel is foreground")


def _twice(items: Sequence[Item]) -> Iterator[Finding]:
    exact = same([item.image_hash for item in items])
    for places in clusters(exact):
        splits = dict.fromkeys(items[place].split for place in places)
        where = f"across {' and '.join(splits)}" if len(splits) > 1 else "within one split"
        yield Finding("same image", tuple(places), f"the same pixels, {where}")
    identical = {place: cluster[0] for cluster in clusters(exact) for place in cluster}
    frames: list[Pair] = []
    for pair in near([item.bits for item in items]):
        first, second = items[pair.first], items[pair.second]
        if identical.get(pair.first, -1) == identical.get(pair.second, -2):
            continue
        if first.split == second.split and first.group and first.group == second.group:
            frames.append(pair)
            continue
        where = "within one split" if first.split == second.split else f"across {first.split} and {second.split}"
        detail = f"{pair.distance} of 255 bits differ, {where}"
        yield Finding("similar image", (pair.first, pair.second), detail, float(pair.distance))
    for places in clusters(frames):
        yield Finding("similar frames", tuple(places), f"{len(places)} of {items[places[0]].group}")


def _patients(items: Sequence[Item]) -> Iterator[Finding]:
    splits: dict[str, dict[str, int]] = defaultdict(dict)
    for place, item in enumerate(items):
        if item.group:
            splits[item.group].setdefault(item.split, place)
    for group, first in splits.items():
        if len(first) > 1:
            yield Finding("split patient", tuple(first.values()), f"{group} is in {', '.join(first)}")


def _same_masks(items: Sequence[Item], accused: set[int]) -> Iterator[Finding]:
    """Of masks with an outline; images that are the same have the same mask by right."""
    hashes = [item.mask_hash if len(item.counts) > 1 else "" for item in items]
    for places in clusters(same(hashes)):
        if len({items[place].image_hash for place in places}) == 1:
            continue
        worse = [items[place].name for place in places if place in accused]
        hint = f"; it does not fit {', '.join(worse)}" if worse else ""
        yield Finding("same mask", tuple(places), f"{len(places)} images have the same mask{hint}")


def _unlikely(items: Sequence[Item], background: int | None) -> Iterator[Finding]:
    # Of equal images only the first is judged: the masks of the others would fit it too, and rightly so.
    repeated = {pair.second for pair in same([item.image_hash for item in items])}
    images = [None if place in repeated else item.small for place, item in enumerate(items)]
    regions = [None if item.small_mask is None else foreground(item.small_mask, background) for item in items]
    exchanges, misfits = unlikely(images, regions)
    for first, second, gain in exchanges:
        detail = f"exchanged, the two masks would explain {gain:.2f} more of the colour along their outlines"
        yield Finding("exchanged masks", (first, second), detail, gain)
    for place, rank, fit, clear in misfits:
        detail = f"{rank:.0%} of all masks fit this image better than its own, which explains {fit:.2f} of the colour"
        kind = "unlikely mask" if clear else "faint mask"
        yield Finding(kind, (place,), f"{detail} along its outline", rank)
