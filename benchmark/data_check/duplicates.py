"""Finds duplicates: images with the same pixels, and copies that were compressed, scaled or slightly changed."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from scipy.cluster.hierarchy import DisjointSet

HASH = 16  # the hash has HASH * HASH - 1 bits
NEAR = 30  # bits of these in which copies may differ; of distinct skin images, no two differ in fewer than 80


class Pair(NamedTuple):
    """Two images, by their places in the list; distance: the number of bits in which their hashes differ."""

    first: int
    second: int
    distance: int


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """A hash of 32 bytes that hardly changes with size, compression and brightness, after pHash (Zauner 2010).

    Its bits say which low frequencies of the cosine transform of the image, in gray and 64 x 64, exceed their median.
    """
    gray = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (4 * HASH, 4 * HASH), interpolation=cv2.INTER_AREA)
    low = cv2.dct(gray.astype(np.float32))[:HASH, :HASH].ravel()
    low[0] = np.median(low[1:])  # the mean gray, which says nothing of what is shown
    return np.packbits(low > low[0])


def same(hashes: Sequence[str]) -> list[Pair]:
    """Pairs of each image and the first image that has the same hash; empty hashes are left out."""
    seen: dict[str, int] = {}
    pairs = []
    for place, digest in enumerate(hashes):
        if digest and seen.setdefault(digest, place) != place:
            pairs.append(Pair(seen[digest], place, 0))
    return pairs


def near(hashes: Sequence[np.ndarray | None], near: int = NEAR) -> list[Pair]:
    """All pairs of perceptual hashes that differ in at most `near` bits."""
    known = {place: bits for place, bits in enumerate(hashes) if bits is not None}
    if not known:
        return []
    places, words = list(known), np.stack(list(known.values())).view(np.uint64)
    pairs = []
    for start in range(0, len(words), 256):
        block = words[start : start + 256]
        distances = np.bitwise_count(block[:, None] ^ words[None]).sum(2)
        for row, column in zip(*np.nonzero(distances <= near), strict=True):
            if start + row < column:
                pairs.append(Pair(places[start + row], places[column], int(distances[row, column])))
    return pairs


def clusters(pairs: Sequence[Pair]) -> list[list[int]]:
    """The places that pairs connect, directly or through others: sorted lists, in the order of their first places."""
    connected = DisjointSet(place for pair in pairs for place in (pair.first, pair.second))
    for pair in pairs:
        connected.merge(pair.first, pair.second)
    return sorted(sorted(places) for places in connected.subsets())
