"""Writes small data sets to disk, in the layouts the file sources read."""

import numpy as np
import pytest
from PIL import Image


def _write_pair(image_path, mask_path, seed, height=24, width=32):
    """A noise image, and a mask 0/255 with a rectangle at a place that depends on the seed."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
    mask[top : top + height // 3, left : left + width // 3] = 255
    for path, array in ((image_path, rng.integers(0, 256, (height, width, 3), np.uint8)), (mask_path, mask)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)


@pytest.fixture
def write_pair():
    """The function that writes one image and its mask."""
    return _write_pair


@pytest.fixture
def folder(tmp_path):
    """Ten pairs in images/ and masks/."""
    for i in range(10):
        _write_pair(tmp_path / "images" / f"case{i}.png", tmp_path / "masks" / f"case{i}.png", i)
    return tmp_path


@pytest.fixture
def isic(tmp_path):
    """Three, two and two pairs in the layout of ISIC 2018 task 1, with the files that lie about there."""
    for part, ids in (("Training", (1, 2, 3)), ("Validation", (4, 5)), ("Test", (6, 7))):
        images, masks = (tmp_path / f"ISIC2018_Task1{x}" for x in (f"-2_{part}_Input", f"_{part}_GroundTruth"))
        for i in ids:
            suffix = "Segmentation" if i == 2 else "segmentation"
            _write_pair(images / f"ISIC_000000{i}.jpg", masks / f"ISIC_000000{i}_{suffix}.png", i)
        for folder in (images, masks):
            (folder / "LICENSE.txt").write_text("terms")
            (folder / "ATTRIBUTION.txt").write_text("names")
        (images / "ISIC_0000001_superpixels.png").write_bytes(b"not read")
    return tmp_path
