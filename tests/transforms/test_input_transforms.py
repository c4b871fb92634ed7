"""Input transforms: 8 bits in, 8 bits out, and what each does against hand-computed or independent numbers."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmark.errors import InputError
from benchmark.transforms.bit_depth import BitDepth
from benchmark.transforms.jpeg import JPEG
from benchmark.transforms.median import Median
from benchmark.transforms.resize import Resize


def _pixels(channels: int = 3, height: int = 12, width: int = 17) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    return torch.randint(0, 256, (channels, height, width), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("defence", [JPEG(), BitDepth(), Median(), Resize()], ids=lambda d: type(d).__name__)
def test_8_bit_images_come_and_go(defence: Callable[[Tensor], Tensor], channels: int) -> None:
    pixels = _pixels(channels)
    before = pixels.clone()
    result = defence(pixels)
    assert (result.shape, result.dtype) == (pixels.shape, torch.uint8)
    assert torch.equal(pixels, before)
    assert torch.equal(result, defence(pixels))
    assert not torch.equal(result, pixels)
    flat = torch.full((channels, 16, 16), 136, dtype=torch.uint8)
    assert torch.equal(defence(flat), flat)


def test_jpeg_is_what_a_file_would_be() -> None:
    pixels = _pixels()
    file = BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, format="JPEG", quality=30)
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
    assert torch.equal(JPEG(30)(pixels), expected)
    errors = [(JPEG(quality)(pixels).float() - pixels.float()).abs().mean().item() for quality in (10, 50, 95)]
    assert errors == sorted(errors, reverse=True)


def test_bit_depth_rounds_to_the_nearest_level() -> None:
    values = torch.tensor([[[0, 127, 128, 255]]], dtype=torch.uint8)
    assert BitDepth(1)(values).tolist() == [[[0, 0, 255, 255]]]
    # 2 bits: levels 0, 85, 170, 255 with borders at 42.5, 127.5, 212.5
    values = torch.tensor([[[42, 43, 127, 128, 212, 213]]], dtype=torch.uint8)
    assert BitDepth(2)(values).tolist() == [[[0, 85, 85, 170, 170, 255]]]
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    assert torch.equal(BitDepth(8)(every), every)
    assert BitDepth(4)(every).unique().tolist() == list(range(0, 256, 17))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [3, 5])
def test_median_of_the_neighbourhood(channels: int, size: int) -> None:
    pixels = _pixels(channels).numpy()
    margin = size // 2
    padded = np.pad(pixels, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    assert np.array_equal(Median(size)(torch.from_numpy(pixels)).numpy(), np.median(windows, axis=(3, 4)))


def test_resize_loses_what_is_finer_than_the_scale() -> None:
    checkerboard = ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 255).to(torch.uint8)[None]
    inner = Resize(0.5)(checkerboard)[:, 2:-2, 2:-2].int()
    assert (inner - 127).abs().max() <= 1
    assert Resize(0.01)(_pixels()).flatten(1).unique(dim=1).shape == (3, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: JPEG(0), "JPEG: quality=0: must be 1 to 100"),
        (lambda: JPEG(101), "JPEG: quality=101: must be 1 to 100"),
        (lambda: BitDepth(0), "BitDepth: bits=0: must be 1 to 8"),
        (lambda: BitDepth(9), "BitDepth: bits=9: must be 1 to 8"),
        (lambda: Median(2), "Median: size=2: must be odd and at least 3"),
        (lambda: Median(1), "Median: size=1: must be odd and at least 3"),
        (lambda: Resize(0), "Resize: scale=0: must be above 0 and below 1"),
        (lambda: Resize(1), "Resize: scale=1: must be above 0 and below 1"),
        (lambda: Resize(float("nan")), "Resize: scale=nan: must be above 0 and below 1"),
    ],
)
def test_a_parameter_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
