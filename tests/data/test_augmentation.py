"""Resizing and augmentation: one geometry for image and mask, draws that depend on the key alone."""

import numpy as np
import pytest

from benchmark.data.augmentation import augment, resize, training_pipeline


@pytest.fixture(scope="module")
def pipeline():
    return training_pipeline()


def test_area_resize_averages_and_mask_takes_the_nearest():
    image = np.zeros((4, 8, 3), np.uint8)
    image[:2, :4] = [[[10], [20], [30], [40]]]
    mask = np.repeat(np.array([[3, 5], [7, 9]], np.uint8), 2, axis=0).repeat(4, axis=1)
    small, classes = resize(image, mask, (2, 2))
    assert small.dtype == np.uint8
    assert small[:, :, 0].tolist() == [[25, 0], [0, 0]]  # not square: each 2 x 4 block becomes one pixel
    assert classes.tolist() == [[3, 5], [7, 9]]


def test_enlarging_invents_no_classes():
    mask = np.array([[0, 2], [255, 0]], np.uint8)
    image, classes = resize(np.full((2, 2, 3), 9, np.uint8), mask, (5, 5))
    assert image.shape == (5, 5, 3)
    assert set(np.unique(classes)) == {0, 2, 255}


def test_right_size_is_left_alone():
    image, mask = np.zeros((6, 6, 3), np.uint8), np.zeros((6, 6), np.uint8)
    assert resize(image, mask, (6, 6))[0] is image


def test_image_and_mask_move_together(pipeline):
    y, x = np.mgrid[:64, :64]
    mask = ((np.hypot(x - 22, y - 26) < 14) | ((x > 40) & (y > 44))).astype(np.uint8)
    image = np.repeat(np.where(mask, 220, 30).astype(np.uint8)[:, :, None], 3, axis=2)
    moved = 0
    for index in range(60):
        new_image, new_mask = augment(pipeline, image, mask, seed=0, epoch=0, index=index)
        agree = (new_image[:, :, 1] > 125) == (new_mask == 1)
        assert agree.mean() > 0.98
        moved += not np.array_equal(new_mask, mask)
    assert moved > 40


def test_augmentation_keeps_dtype_range_and_classes(pipeline):
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    mask[8:20, 4:30], mask[:3, :3] = 2, 255
    for index in range(30):
        new_image, new_mask = augment(pipeline, image, mask, seed=0, epoch=0, index=index)
        assert new_image.dtype == new_mask.dtype == np.uint8
        assert set(np.unique(new_mask)) <= {0, 2, 255}


def test_a_draw_depends_on_seed_epoch_and_index_alone(pipeline):
    rng = np.random.default_rng(1)
    image, mask = rng.integers(0, 256, (32, 32, 3), np.uint8), rng.integers(0, 2, (32, 32), np.uint8)
    keys = [(seed, epoch, index) for seed in (0, 1) for epoch in (0, 1) for index in range(3)]

    def _augment(pipeline, key):
        return augment(pipeline, image, mask, seed=key[0], epoch=key[1], index=key[2])

    first = {key: _augment(pipeline, key) for key in keys}
    fresh = training_pipeline()
    for key in reversed(keys):
        for a, b in zip(first[key], _augment(fresh, key), strict=True):
            assert np.array_equal(a, b)
    assert len({a.tobytes() for a, _ in first.values()}) > 9


def test_transforms_are_drawn_independently(pipeline):
    """Were they seeded alike, affine map and colour jitter (both p=.5) would always come together."""
    image, mask = np.full((16, 16, 3), 100, np.uint8), np.arange(256, dtype=np.uint8).reshape(16, 16) % 251
    symmetries = {np.rot90(m, k).tobytes() for m in (mask, mask.T) for k in range(4)}
    seen = set()
    for index in range(80):
        new_image, new_mask = augment(pipeline, image, mask, seed=0, epoch=0, index=index)
        seen.add((new_mask.tobytes() in symmetries, bool((new_image == 100).all())))
    assert len(seen) == 4
