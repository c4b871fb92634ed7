"""The control of transfer: noise that is a file too, as far from the clean image as the attack's file."""

from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import norms, unsqueeze_like
from benchmark.attacks.random_draws import normal, uniform
from benchmark.images.quantisation import Quantizer

_HALVINGS = 40  # of an interval of length 1: far below what moves one more pixel to the next grey value


def noise_like(files: Tensor, images: Tensor, seeds: Tensor, norm: Literal[2, "inf"], quantizer: Quantizer) -> Tensor:
    """Images plus noise, clipped and rounded as files are, at the distance of `files` from the images.

    Gaussian noise for norm 2, uniform noise for "inf", scaled image by image. What is equal is the norm after clipping
    and rounding: exactly for "inf", for 2 as nearly as one more pixel at the next grey value allows.

    Args:
        files, images: (B, C, H, W) in [0, 1], on the levels of `quantizer`.
        seeds: (B,) int64, of the draws.
        norm: in which they are equal.
        quantizer: of the files.

    Returns:
        (B, C, H, W) float32 in [0, 1], on the levels of `quantizer`.
    """
    clean = quantizer.to_levels(images).double()
    budget = norms(quantizer.to_levels(files).double() - clean, norm)
    drawn = normal(seeds, images.shape[1:], dtype=torch.float64)
    if norm == "inf":
        drawn = 2 * uniform(seeds, images.shape[1:], dtype=torch.float64) - 1
    # The norm grows with the scale u / (1 - u), in steps: the nearest one is at one end of the last interval.
    low, high = torch.zeros_like(budget), torch.ones_like(budget)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = norms(_noisy(clean, drawn, middle, quantizer) - clean, norm) <= budget
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    # Where even the largest scale is within the budget, the upper end was never tried.
    high = high.clamp(max=1 - 2.0**-_HALVINGS)
    below, above = _noisy(clean, drawn, low, quantizer), _noisy(clean, drawn, high, quantizer)
    nearer = (norms(above - clean, norm) - budget).abs() < (norms(below - clean, norm) - budget).abs()
    return quantizer.from_levels(torch.where(unsqueeze_like(nearer, clean), above, below))


def _noisy(clean: Tensor, drawn: Tensor, u: Tensor, quantizer: Quantizer) -> Tensor:
    """Levels as float64."""
    return (clean + drawn * unsqueeze_like(u / (1 - u), drawn)).round().clamp(0, quantizer.highest)
