import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.attacks.base import norms
from benchmark.attacks.noise import Noise, matched_noise
from benchmark.engine import attack
from tests.tiny_models import random_images, smooth_network

SEEDS = torch.tensor([3, 4, 5])


@pytest.mark.parametrize("norm", [1, 2, "inf"])
@settings(max_examples=30, deadline=None, derandomize=True)
@given(share=st.floats(1e-4, 1), seed=st.integers(0, 99), ends=st.booleans(), dtype=st.sampled_from(["32", "64"]))
def test_the_norm_after_clipping_is_the_budget(norm, share: float, seed: int, ends: bool, dtype: str) -> None:
    images = random_images(3, seed=seed)
    images = images.round() if ends else images
    largest = norms(torch.maximum(images, 1 - images), norm)
    eps = share * largest * torch.tensor([1, 0.5, 0.25])
    images = images.to(torch.float32 if dtype == "32" else torch.float64)
    noisy = matched_noise(images, SEEDS + seed, eps, norm)
    assert noisy.dtype == images.dtype
    assert ((noisy >= 0) & (noisy <= 1)).all()
    ratio = norms(noisy.double() - images.double(), norm) / eps
    assert (ratio - 1).abs().max() < 1e-3


def test_a_budget_beyond_the_image_range_leaves_the_farthest_point() -> None:
    images = random_images(3)
    noisy = matched_noise(images, SEEDS, torch.full((3,), 1e3, dtype=torch.float64), 2)
    assert torch.allclose((noisy - images).abs(), torch.maximum(images, 1 - images))


def test_no_budget_leaves_the_image() -> None:
    images = random_images(3)
    assert torch.equal(matched_noise(images, SEEDS, torch.zeros(3, dtype=torch.float64), 2), images)


@pytest.mark.parametrize(("norm", "kurtosis"), [(2, 3.0), ("inf", 1.8)])
def test_its_distribution(norm, kurtosis: float) -> None:
    images = torch.full((1, 3, 64, 64), 0.5, dtype=torch.float64)
    eps = torch.tensor([0.1 if norm == "inf" else 5.0], dtype=torch.float64)
    delta = (matched_noise(images, SEEDS[:1], eps, norm) - images).flatten()
    assert abs(delta.mean()) < 0.02 * delta.std()
    assert (delta**4).mean() / (delta**2).mean() ** 2 == pytest.approx(kurtosis, abs=0.15)


def _noise(images: Tensor, **options: object):
    rule = Noise(eps=0.1, norm=2)
    labels = torch.ones(len(images), 8, 8).long()
    return attack(smooth_network(), images, labels, rule, max_steps=1, keep="last", **options)


def test_each_image_has_its_own_norm_and_one_draw() -> None:
    images = random_images(4)
    eps = torch.tensor([0.5, 1, 1.5, 2], dtype=torch.float64)
    result = _noise(images, eps=eps)
    assert torch.allclose(norms(result.adv - images, 2), eps, rtol=1e-6)
    assert result.steps.tolist() == [1] * 4
    assert result.backwards.tolist() == [0] * 4
    assert torch.equal(_noise(images, eps=eps, slots=1).adv, result.adv)
    assert not torch.allclose(_noise(images, eps=eps, seed=1).adv, result.adv)


def test_without_a_budget_per_image_it_has_the_rules() -> None:
    images = random_images(2)
    assert norms(_noise(images).adv - images, 2).tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"eps": -1}, r"eps=-1: must be in \[0, inf\]"), ({"norm": 0}, "norm=0 is not one of 1, 2, inf")],
)
def test_parameters_that_make_no_sense(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Noise(**options)
