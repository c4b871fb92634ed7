import io

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.images.quantisation import EIGHT_BIT, Quantizer


def test_values_are_rounded_to_the_nearest_level() -> None:
    images = torch.tensor([0.0, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255, 1.0])
    assert EIGHT_BIT.to_levels(images).tolist() == [0, 0, 1, 254, 255, 255]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_levels_come_back(dtype: torch.dtype) -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    values = EIGHT_BIT.from_levels(levels, dtype)
    assert values.dtype == dtype
    assert torch.equal(EIGHT_BIT.to_levels(values), levels)
    assert torch.equal(EIGHT_BIT.round(values), values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_is_what_a_png_does(dtype: torch.dtype) -> None:
    image = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(0), dtype=dtype)
    file = io.BytesIO()
    Image.fromarray(EIGHT_BIT.to_levels(image).permute(1, 2, 0).numpy()).save(file, "PNG")
    read = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
    assert torch.equal(EIGHT_BIT.from_levels(read, dtype), EIGHT_BIT.round(image))
    assert (EIGHT_BIT.round(image) - image).abs().max() <= 0.5 / 255 + 1e-7


@pytest.mark.parametrize("bits", [8, 9, 12, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_level_of_a_grid_is_kept(bits: int, dtype: torch.dtype) -> None:
    quantizer = Quantizer(bits)
    levels = torch.arange(2**bits, dtype=torch.int32)
    images = quantizer.from_levels(levels, dtype)
    assert (images.min().item(), images.max().item()) == (0, 1)
    assert torch.equal(quantizer.to_levels(images).int(), levels)
    assert torch.equal(quantizer.round(images), images)
    between = (images[:-1] + images[1:]) / 2
    assert quantizer.round(between + 0.1 / 2**bits).sub(images[1:]).abs().max() < 1e-6
    assert quantizer.to_levels(torch.tensor([-0.1, 1.1])).tolist() == [0, 2**bits - 1]
