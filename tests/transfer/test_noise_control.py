"""Noise as a file: as far from the clean image as the attack's file, after clipping and rounding."""

import math

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import norms
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.transfer.noise_control import noise_like

SEEDS = torch.tensor([11, 12, 13])


def _images(size: int = 24) -> Tensor:
    """Half of the pixels black or white, so that clipping matters."""
    generator = torch.Generator().manual_seed(0)
    return EIGHT_BIT.from_levels(
        torch.randint(-128, 384, (3, 3, size, size), generator=generator).clamp(0, 255).to(torch.uint8)
    )


def _files(images: Tensor, change: float) -> Tensor:
    signs = torch.randn(images.shape, generator=torch.Generator().manual_seed(1)).sign()
    return EIGHT_BIT.round((images + change / 255 * signs).clamp(0, 1))


@pytest.mark.parametrize("change", [1, 3, 40])
@pytest.mark.parametrize("norm", [2, "inf"])
def test_the_norm_of_the_file_is_matched_after_rounding(norm, change: float) -> None:
    images = _images()
    files = _files(images, change)
    noise = noise_like(files, images, SEEDS, norm, EIGHT_BIT)
    assert torch.equal(noise, EIGHT_BIT.round(noise))
    assert not torch.equal(noise, files)
    found, wanted = (norms((points - images).double(), norm) for points in (noise, files))
    assert (found / wanted - 1).abs().max() < 1e-3


def test_even_a_single_changed_pixel_is_matched() -> None:
    # Scaled to this norm and then rounded, noise would vanish: it is the rounded noise that has to have it.
    images = torch.full((3, 3, 24, 24), 100 / 255)
    files = images.clone()
    files[:, 0, 3, 4] = 101 / 255
    noise = noise_like(files, images, SEEDS, 2, EIGHT_BIT)
    assert ((noise - images) * 255).round().abs().flatten(1).sum(1).tolist() == [1, 1, 1]


def test_no_perturbation_no_noise() -> None:
    images = _images()
    for norm in (2, "inf"):
        assert torch.equal(noise_like(images, images, SEEDS, norm, EIGHT_BIT), images)


def test_an_image_gets_the_same_noise_alone_and_in_a_batch() -> None:
    images = _images()
    files = _files(images, 4)
    together = noise_like(files, images, SEEDS, 2, EIGHT_BIT)
    for i in range(3):
        assert torch.equal(
            noise_like(files[i : i + 1], images[i : i + 1], SEEDS[i : i + 1], 2, EIGHT_BIT)[0], together[i]
        )
    assert not torch.equal(noise_like(files, images, SEEDS + 1, 2, EIGHT_BIT), together)


def test_more_than_noise_can_be_ends_at_its_most() -> None:
    images = torch.zeros(3, 1, 8, 8)
    noise = noise_like(torch.ones_like(images), images, SEEDS, 2, EIGHT_BIT)
    # About half of the draws point out of the range and stay at 0.
    assert set(noise.unique().tolist()) == {0.0, 1.0}
    assert norms(noise, 2).max().item() < math.sqrt(64)


def test_gaussian_for_2_and_uniform_for_inf() -> None:
    images = torch.full((3, 3, 64, 64), 128 / 255)
    files = images.clone()
    files[:, 0, 0, 0] += 60 / 255
    uniform = (noise_like(files, images, SEEDS, "inf", EIGHT_BIT) - images).flatten() * 255
    assert uniform.abs().max().item() == pytest.approx(60, abs=1e-3)
    assert uniform.square().mean().sqrt().item() == pytest.approx(60 / math.sqrt(3), rel=0.02)
    gaussian = (noise_like(_files(images, 20), images, SEEDS, 2, EIGHT_BIT) - images).flatten() * 255
    assert gaussian.square().mean().sqrt().item() == pytest.approx(20, rel=1e-3)
    assert (gaussian.abs() < 20).float().mean().item() == pytest.approx(0.683, abs=0.02)
