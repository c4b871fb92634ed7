"""Folders with an image processor, and what the library makes of pictures by them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmark.victims.image_processor.folder_files import image_processor
from benchmark.victims.image_processor.folder_processor import FolderProcessor


def write(folder: Path, keys: Mapping[str, Any], name: str = "preprocessor_config.json", nested: bool = False) -> Path:
    """Write the keys as the folder's processor, beside the configuration of a SegFormer."""
    from transformers import SegformerConfig

    SegformerConfig(num_labels=2).save_pretrained(folder)
    (folder / name).write_text(json.dumps({"image_processor": keys} if nested else keys))
    return folder


def loaded(folder: Path, channels: int = 3) -> FolderProcessor:
    """The folder's processor, as `victim=hugging_face` uses it."""
    from transformers import AutoConfig

    processor = FolderProcessor(*image_processor(folder, AutoConfig.from_pretrained(folder)))
    processor.check(channels)
    return processor


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    """Noise of 8 bits, (3, height, width), uint8."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8))


def by_the_library(folder: Path, levels: Tensor) -> dict[str, Tensor]:
    """What transformers makes of pictures (B, 3, H, W), uint8."""
    from transformers import AutoImageProcessor

    pictures = [Image.fromarray(one.permute(1, 2, 0).numpy()) for one in levels]
    return dict(AutoImageProcessor.from_pretrained(folder)(pictures, return_tensors="pt"))


def difference(folder: Path, *sizes: tuple[int, int]) -> float:
    """The largest difference between the network's input and the library's output, over pictures of some sizes."""
    processor, worst = loaded(folder), 0.0
    for height, width in sizes:
        levels = torch.stack([picture(height, width, seed) for seed in range(2)])
        wanted = by_the_library(folder, levels)["pixel_values"]
        made, _ = processor(levels / 255)
        assert made.shape == wanted.shape
        worst = max(worst, float((made - wanted).abs().max()))
    return worst
