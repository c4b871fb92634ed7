"""Images that stand in more than one split, so that a victim is tested on what it was trained on.

Identical are images with the same pixels at the size of the run; nearly identical those whose perceptual hashes differ
in at most `duplicates.NEAR` of 255 bits: copies that were compressed, scaled, or slightly changed.
"""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.data.datamodule import SegmentationData
from benchmark.data.dataset import QUIET
from benchmark.data.source import SPLITS
from benchmark.data_check.duplicates import NEAR, perceptual_hash
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError

MOST = 2000  # images of a split that are compared, evenly spread over it, so that a start takes seconds
_SHOWN = 20  # pairs that are recorded


class _Pictures(NamedTuple):
    """names: "split/id" of N images. digests: of their pixels. bits: (N, 4) uint64, their perceptual hashes."""

    names: list[str]
    digests: NDArray[np.str_]
    bits: NDArray[np.uint64]


def split_overlap(data: SegmentationData) -> dict[str, Any]:
    """What is in several splits, as plain values for environment.json.

    Returns:
        compared: split -> number of its images that were compared; identical, similar: numbers of pairs; pairs: the
        first of them, [name, name, number of bits that differ], where 0 stands for the same pixels.
    """
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        parts = {split: _pictures(data, split, pool) for split in SPLITS}
    pairs: list[list[Any]] = []
    for first, second in combinations(SPLITS, 2):
        pairs += _pairs(parts[first], parts[second])
    pairs.sort(key=lambda pair: pair[2])
    identical = sum(pair[2] == 0 for pair in pairs)
    return {
        "compared": {split: len(part.names) for split, part in parts.items()},
        "identical": identical,
        "similar": len(pairs) - identical,
        "pairs": pairs[:_SHOWN],
    }


def _pictures(data: SegmentationData, split: str, pool: ThreadPoolExecutor) -> _Pictures:
    ids = data.splits()[split]
    chosen = [ids[place] for place in np.linspace(0, len(ids) - 1, min(MOST, len(ids))).round().astype(int)]
    hashes = pool.map(lambda image_id: _hashes(data, split, image_id), chosen)
    hidden = None if len(chosen) > QUIET else True  # None: hidden unless stderr is a terminal
    shown = tqdm(hashes, desc=f"comparing {split}", total=len(chosen), unit="image", disable=hidden)
    read = [one for one in shown if one is not None]
    bits = np.stack([bits for _, _, bits in read]) if read else np.zeros((0, 32), np.uint8)
    digests = np.array([digest for _, digest, _ in read], dtype=np.str_)
    return _Pictures([name for name, _, _ in read], digests, bits.view(np.uint64))


def _hashes(data: SegmentationData, split: str, image_id: str) -> tuple[str, str, NDArray[np.uint8]] | None:
    """Name, digest and perceptual hash of an image; None if it shows nothing, or cannot be read.

    Whoever uses the image reports that it cannot be read.
    """
    check_stop()
    try:
        image = data.picture(split, image_id)
    except InputError:
        return None
    if bool(np.all(image == image[:1, :1])):
        return None
    digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
    if image.dtype != np.uint8:
        image = np.round(image * (255 / (2**data.bits - 1))).astype(np.uint8)
    return f"{split}/{image_id}", digest, perceptual_hash(image)


def _pairs(first: _Pictures, second: _Pictures) -> list[list[Any]]:
    """[name, name, bits that differ] of each pair; 0 stands for the same pixels, 1 is the least for others."""
    pairs: list[list[Any]] = []
    for start in range(0, len(first.names), 256):
        block = slice(start, start + 256)
        distances = np.bitwise_count(first.bits[block][:, None] ^ second.bits[None]).sum(2, dtype=int)
        same = first.digests[block][:, None] == second.digests[None]
        for row, column in zip(*np.nonzero((distances <= NEAR) | same), strict=True):
            distance = 0 if same[row, column] else max(1, int(distances[row, column]))
            pairs.append([first.names[start + row], second.names[column], distance])
    return pairs
