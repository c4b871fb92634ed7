"""Values are the library's for 8-bit images, gradients those of resizing without rounding."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from benchmark.errors import InputError
from tests.victims.image_processor.processor_folders import by_the_library, loaded, picture, write

BEIT = {"image_processor_type": "BeitImageProcessor", "size": {"height": 40, "width": 56}}


def test_the_gradient_is_that_of_resizing(tmp_path: Path) -> None:
    processor = loaded(write(tmp_path, BEIT))
    images = (picture(64, 64) / 255)[None].double().requires_grad_()
    weights = torch.randn(1, 3, 40, 56, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made, _ = processor(images)
    smooth = (F.interpolate(images, (40, 56), mode="bicubic", antialias=True) - 0.5) / 0.5
    gradients = [torch.autograd.grad((one * weights).sum(), images)[0] for one in (made, smooth)]
    torch.testing.assert_close(*gradients)


def test_between_8_bit_values_the_output_changes_as_the_gradient_says(tmp_path: Path) -> None:
    processor = loaded(write(tmp_path, BEIT))
    images = (picture(64, 64) / 255)[None].double()
    change = torch.rand_like(images) * 0.4 / 255
    expected = F.interpolate(change, (40, 56), mode="bicubic", antialias=True) / 0.5
    torch.testing.assert_close(processor(images + change)[0] - processor(images)[0], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_are_processed_alike_alone_and_beside_others(dtype: torch.dtype, tmp_path: Path) -> None:
    processor = loaded(write(tmp_path, BEIT))
    images = torch.rand(3, 3, 64, 64, dtype=dtype, generator=torch.Generator().manual_seed(0))
    together = processor(images)[0]
    assert together.dtype == dtype
    assert torch.equal(together, torch.cat([processor(one[None])[0] for one in images]))


def test_grey_images_get_three_channels_where_the_processor_says_so(tmp_path: Path) -> None:
    folder = write(tmp_path, BEIT | {"do_convert_rgb": True})
    grey = picture(64, 64)[:1]
    wanted = by_the_library(folder, grey.expand(1, 3, -1, -1))["pixel_values"]
    torch.testing.assert_close(loaded(folder, channels=1)(grey[None] / 255)[0], wanted, atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="for images of 64 x 64 with 1 channels, the library's own processor fails"):
        loaded(write(tmp_path / "without", BEIT), channels=1)


def test_padding_is_told_by_the_mask_of_the_library(tmp_path: Path) -> None:
    keys = {"image_processor_type": "DetrImageProcessor", "size": {"shortest_edge": 40, "longest_edge": 90}}
    folder = write(tmp_path, keys | {"pad_size": {"height": 96, "width": 100}})
    levels = picture(64, 72)[None]
    wanted = by_the_library(folder, levels)
    made, steps = loaded(folder)(levels / 255)
    torch.testing.assert_close(made, wanted["pixel_values"], atol=1e-4, rtol=0)
    assert torch.equal(steps.pixel_mask(made), wanted["pixel_mask"])
    assert steps.padded


def test_cutting_is_found_for_the_size_at_hand(tmp_path: Path) -> None:
    processor = loaded(write(tmp_path, {"image_processor_type": "MobileViTImageProcessor"}))
    processor(torch.rand(1, 3, 64, 64))
    with pytest.raises(InputError, match=r"images of 64 x 96 .*cuts out a part .*do_center_crop: false shows"):
        processor(torch.rand(1, 3, 64, 96))
