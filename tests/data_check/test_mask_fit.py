"""How well a mask fits an image, and which masks are unlikely to belong to theirs."""

import cv2
import numpy as np
import pytest

from benchmark.data.synthetic import Synthetic
from benchmark.data_check.mask_fit import BAND, fit_matrix, unlikely
from benchmark.data_check.scan import SIDE, foreground


def _half(axis: int) -> np.ndarray:
    region = np.zeros((SIDE, SIDE), bool)
    region[(slice(None),) * axis + (slice(SIDE // 2),)] = True
    return region


def _two_colours(region: np.ndarray) -> np.ndarray:
    return np.where(region[..., None], np.uint8((180, 90, 60)), np.uint8((230, 190, 170)))


def test_a_mask_that_explains_everything_and_one_that_explains_nothing() -> None:
    left, top = _half(1), _half(0)
    fits = fit_matrix([_two_colours(left), _two_colours(top)], [left, top])
    assert np.diag(fits) == pytest.approx(1, abs=1e-4)
    assert [fits[0, 1], fits[1, 0]] == pytest.approx([0, 0], abs=1e-4)


def test_an_image_without_contrast_fits_nothing() -> None:
    assert fit_matrix([np.full((SIDE, SIDE, 3), 90, np.uint8)], [_half(0)])[0, 0] == pytest.approx(0, abs=1e-4)


def test_the_fit_is_eta_squared_of_the_bands() -> None:
    """Against the textbook: between-group over total sum of squares of the Lab colours in the band."""
    rng = np.random.default_rng(0)
    region = _half(1)
    image = np.clip(_two_colours(region) + rng.normal(0, 40, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(np.float64)
    middle = SIDE // 2
    inside, outside = (lab[:, middle - BAND : middle].reshape(-1, 3), lab[:, middle : middle + BAND].reshape(-1, 3))
    both = np.concatenate([inside, outside])
    total = ((both - both.mean(0)) ** 2).sum()
    within = sum(((group - group.mean(0)) ** 2).sum() for group in (inside, outside))
    assert fit_matrix([image], [region])[0, 0] == pytest.approx(1 - within / total, abs=1e-3)


@pytest.fixture(scope="module")
def lesions() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Generated skin images with their lesions."""
    source = Synthetic(n_train=40, size=SIDE)
    samples = [source.read("train", f"train_{i:05d}") for i in range(40)]
    return [sample.image for sample in samples], [sample.mask > 0 for sample in samples]


def test_nothing_is_found_where_nothing_is_wrong(lesions) -> None:
    assert unlikely(*lesions) == ([], [])


@pytest.mark.parametrize(("i", "j"), [(0, 1), (3, 30), (12, 25), (38, 39)])
def test_two_exchanged_masks(lesions, i: int, j: int) -> None:
    images, regions = lesions
    regions = list(regions)
    regions[i], regions[j] = regions[j], regions[i]
    exchanges, misfits = unlikely(images, regions)
    assert [(e.first, e.second) for e in exchanges] == [(i, j)]
    assert exchanges[0].gain > 0.1
    assert misfits == []


def test_a_mask_of_no_other_image() -> None:
    """Thirty squares on noise at places of their own; one mask is where there is nothing."""
    rng = np.random.default_rng(0)
    images, regions = [], []
    for _ in range(30):
        region = np.zeros((SIDE, SIDE), bool)
        top, left = rng.integers(12, 18, 2)
        region[top : top + 40, left : left + 40] = True
        images.append(np.clip(_two_colours(region) + rng.normal(0, 30, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8))
        regions.append(region)
    assert unlikely(images, regions) == ([], [])
    regions[7] = np.zeros((SIDE, SIDE), bool)
    regions[7][78:92, 78:92] = True
    exchanges, misfits = unlikely(images, regions)
    assert exchanges == []
    assert [misfit.place for misfit in misfits] == [7]
    assert misfits[0].fit < 0.1 < misfits[0].rank
    assert misfits[0].clear


def test_a_faint_border_is_told_from_a_wrong_one(lesions) -> None:
    images, regions = lesions
    images = list(images)
    images[7] = np.random.default_rng(0).integers(90, 110, (SIDE, SIDE, 3), np.uint8)
    exchanges, (misfit,) = unlikely(images, regions)
    assert exchanges == []
    assert (misfit.place, misfit.clear) == (7, False)


def test_what_has_no_outline_is_left_out(lesions) -> None:
    images, regions = lesions
    empty, full = np.zeros((SIDE, SIDE), bool), np.ones((SIDE, SIDE), bool)
    assert unlikely([None, *images[:5], images[5]], [regions[0], empty, full, *regions[2:5], None]) == ([], [])


def test_the_foreground_of_a_mask() -> None:
    mask = np.array([[0, 1, 2], [2, 2, 255]], np.uint8)
    assert foreground(mask, 0).tolist() == [[False, True, True], [True, True, False]]
    assert foreground(mask, None).tolist() == [[False, False, True], [True, True, False]]
