"""The generator: seeded per image, any size, objects of a sensible area, and not separable by colour alone."""

import numpy as np
import pytest

from benchmark.data.synthetic import Synthetic
from benchmark.errors import InputError


def _samples(source, split="train"):
    return [source.read(split, id) for id in source.splits()[split]]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("size", [32, 65])
def test_images_and_masks(classes, size):
    for sample in _samples(Synthetic(n_train=8, classes=classes, size=size)):
        assert sample.image.shape == (size, size, 3)
        assert sample.image.dtype == sample.mask.dtype == np.uint8
        assert np.unique(sample.mask).tolist() == list(range(classes))


def test_an_image_does_not_depend_on_how_many_there_are():
    few, many = Synthetic(n_train=2), Synthetic(n_train=9, n_test=3)
    for a, b in zip(_samples(few), _samples(many), strict=False):
        assert a.id == b.id
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.mask, b.mask)


def test_every_image_is_another_one_over_index_split_and_seed():
    images = [
        sample.image
        for source in (Synthetic(n_train=3, n_val=3, seed=seed) for seed in (0, 1))
        for split in ("train", "val")
        for sample in _samples(source, split)
    ]
    assert len({image.tobytes() for image in images}) == 12


def test_area_position_and_contrast_vary():
    samples = _samples(Synthetic(n_train=150))
    areas = np.array([s.mask.mean() for s in samples])
    centres = np.array([np.argwhere(s.mask).mean(0) / 64 for s in samples])
    contrast = np.array([s.image[s.mask == 0].mean() - s.image[s.mask == 1].mean() for s in samples])
    assert 0.04 < areas.min() < 0.1 < 0.3 < areas.max() < 0.42
    assert centres.std(axis=0).min() > 0.08
    assert contrast.std() > 10
    # A gray threshold per image, even the best one, must not do: then any network would be robust for nothing.
    best = [max(_iou(s.image.mean(2) < t, s.mask == 1) for t in range(20, 240, 4)) for s in samples[:50]]
    assert np.mean(best) < 0.8


def _iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_cup_lies_inside_disc():
    for sample in _samples(Synthetic(n_train=20, classes=3)):
        rows, columns = np.nonzero(sample.mask == 2)
        inside = np.pad(sample.mask, 1)
        for step in ((0, 1), (2, 1), (1, 0), (1, 2)):
            assert inside[rows + step[0], columns + step[1]].min() > 0


def test_fingerprint_depends_on_every_parameter():
    variants = [{}, {"n_train": 9}, {"n_val": 9}, {"n_test": 9}, {"classes": 3}, {"size": 32}, {"seed": 1}]
    assert len({Synthetic(**variant).fingerprint() for variant in variants}) == len(variants)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"classes": 4}, r"data\.classes=4"), ({"n_val": 0}, r"data\.n_val=0"), ({"size": 4}, r"data\.size=4")],
)
def test_impossible_parameters(options, message):
    with pytest.raises(InputError, match=message):
        Synthetic(**options)
