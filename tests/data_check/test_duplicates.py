"""Perceptual hashes, and what they connect."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.synthetic import Synthetic
from benchmark.data_check.duplicates import NEAR, Pair, clusters, near, perceptual_hash, same

IMAGES = [Synthetic(n_train=12, size=96).read("train", f"train_{i:05d}").image for i in range(12)]


def _distance(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.unpackbits(perceptual_hash(first) ^ perceptual_hash(second)).sum())


def _saved_anew(image: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        _saved_anew,
        lambda image: cv2.resize(image, (70, 50), interpolation=cv2.INTER_AREA),
        lambda image: cv2.resize(image, (200, 200), interpolation=cv2.INTER_CUBIC),
        lambda image: np.clip(1.1 * image + 6, 0, 255).astype(np.uint8),
    ],
    ids=["itself", "JPEG", "smaller", "larger", "brighter"],
)
def test_a_changed_copy_is_near(change) -> None:
    assert max(_distance(image, change(image)) for image in IMAGES) <= NEAR


def test_different_images_are_not_near() -> None:
    assert min(_distance(first, second) for first, second in itertools.combinations(IMAGES, 2)) > 2 * NEAR


@settings(deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), max_size=8), st.lists(st.integers(0, 255), max_size=40))
def test_near_pairs_are_those_of_a_plain_comparison(words: list[bytes], flips: list[int]) -> None:
    hashes: list[np.ndarray | None] = [np.frombuffer(word, np.uint8) for word in words]
    for word in words[:2]:
        bits = np.unpackbits(np.frombuffer(word, np.uint8))
        bits[flips] ^= 1
        hashes += [None, np.packbits(bits)]
    expected = []
    for (i, first), (j, second) in itertools.combinations(enumerate(hashes), 2):
        if first is not None and second is not None:
            distance = sum(int(a ^ b).bit_count() for a, b in zip(first.tolist(), second.tolist(), strict=True))
            expected += [Pair(i, j, distance)] if distance <= NEAR else []
    assert sorted(near(hashes)) == expected


def test_more_images_than_are_compared_at_once() -> None:
    hashes = [np.random.default_rng(i % 300).integers(0, 256, 32, np.uint8) for i in range(600)]
    assert sorted(near(hashes)) == [Pair(i, i + 300, 0) for i in range(300)]


def test_the_same_hash() -> None:
    assert same(["a", "", "b", "a", "", "a"]) == [Pair(0, 3, 0), Pair(0, 5, 0)]


def test_clusters_of_pairs() -> None:
    pairs = [Pair(4, 7, 1), Pair(1, 2, 1), Pair(7, 9, 1), Pair(2, 5, 1), Pair(0, 5, 1)]
    assert clusters(pairs) == [[0, 1, 2, 5], [4, 7, 9]]
