"""Every option with every image processor class: done as the library does it, or refused where it cuts or fails."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims.image_processor.folder_files import class_names
from tests.victims.image_processor.processor_folders import by_the_library, loaded, picture, write

EDGES, SQUARE = {"shortest_edge": 60, "longest_edge": 100}, {"height": 50, "width": 64}
OPTIONS: list[dict[str, Any]] = [
    *({"size": size} for size in (64, [48, 80], SQUARE, EDGES, {"shortest_edge": 64}, {"longest_edge": 64})),
    {"size": {"max_height": 60, "max_width": 70}},
    {"size": 64, "default_to_square": False},
    {"size": {"height": 50, "width": 50}, "keep_aspect_ratio": True, "ensure_multiple_of": 32},
    {"size": {"shortest_edge": 64}, "crop_pct": 0.5},
    {"size": {"shortest_edge": 384}, "crop_pct": 1.0},
    *({"resample": number, "size": size} for number in range(6) for size in (SQUARE, EDGES)),
    {"size": SQUARE, "do_center_crop": True, "crop_size": 40},
    {"size": SQUARE, "do_center_crop": True, "crop_size": {"height": 120, "width": 130}},
    {"size": SQUARE, "do_center_crop": False},
    {"size": SQUARE, "pad_size": {"height": 150, "width": 170}},
    {"size": EDGES, "do_pad": True, "pad_size": {"height": 150, "width": 170}},
    {"size": SQUARE, "do_pad": True, "size_divisor": 32},
    {"size": {"shortest_edge": 64, "longest_edge": 64}, "do_pad": True},
    {"size": {"shortest_edge": 40, "longest_edge": 40}, "do_split_image": True},
    {"do_resize": False},
    {"do_resize": False, "do_pad": True, "size_divisor": 32},
    *({"size": size, name: False} for name in ("do_rescale", "do_normalize") for size in (SQUARE, EDGES)),
    {"size": SQUARE, "do_rescale": False, "do_normalize": False},
    {"size": EDGES, "do_normalize": True, "rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]},
    {"size": SQUARE, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.3, 0.2, 0.1]},
    {"size": SQUARE, "image_mean": [123.7, 116.3, 103.5], "image_std": [58.4, 57.1, 57.4], "do_rescale": False},
    *({"size": SQUARE, "do_flip_channel_order": flips} for flips in (True, False)),
    {"size": EDGES, "do_convert_rgb": True, "do_reduce_labels": True},
    {"resize_short": 64},
]
REASONS = ("cuts out a part", "makes other than one input of one image")


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("name", sorted({*class_names().values()}))
def test_options_are_done_or_refused(name: str, tmp_path: Path) -> None:
    done = 0
    for number, option in enumerate(OPTIONS):
        folder = write(tmp_path / str(number), {"image_processor_type": name, **option})
        for height, width in ((64, 64), (72, 50)):
            levels = picture(height, width)[None]
            try:
                made, _ = loaded(folder)(levels / 255)
            except InputError as error:
                if not any(reason in str(error) for reason in REASONS):
                    with pytest.raises((ValueError, TypeError, RuntimeError, AttributeError, NotImplementedError)):
                        by_the_library(folder, levels)
                continue
            torch.testing.assert_close(made, by_the_library(folder, levels)["pixel_values"].float(), atol=1e-4, rtol=0)
            done += 1
    assert done >= 4  # some classes cut by nature
