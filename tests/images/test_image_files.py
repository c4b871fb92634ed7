"""Adversarial images as files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.errors import InputError
from benchmark.images.image_files import load_picture, open_picture, save_picture
from benchmark.images.quantisation import EIGHT_BIT, Quantizer


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_read_back_is_the_image_rounded_to_8_bits(tmp_path: Path, channels: int) -> None:
    image = torch.rand(channels, 7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "a" / "b" / "image.png"
    save_picture(image, path, EIGHT_BIT)
    assert torch.equal(load_picture(path, inside=path.parent), EIGHT_BIT.round(image).float())
    assert torch.equal(load_picture(path, inside=path.parent), (image * 255).round().float() / 255)
    with Image.open(path) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (5, 7), {1: "L", 3: "RGB"}[channels])
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self, path, **_) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", fails)
    with pytest.raises(OSError, match="no space left"):
        save_picture(torch.zeros(3, 2, 2), tmp_path / "image.png", EIGHT_BIT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n half"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "image.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"image\.png: cannot be read .*; attack the image again"):
        load_picture(path, inside=path.parent)


def test_a_truncated_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match=r"image\.png: cannot be read"):
        load_picture(path, inside=path.parent)


def test_another_format_under_the_name_of_a_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (4, 4)).save(path, format="EPS")
    with pytest.raises(InputError, match=r"image\.png: cannot be read \(not a complete PNG file\)"):
        load_picture(path, inside=path.parent)


def test_a_deep_image_keeps_its_levels(tmp_path: Path) -> None:
    image = torch.rand(1, 6, 4, generator=torch.Generator().manual_seed(0))
    save_picture(image, tmp_path / "deep.png", Quantizer(12))
    assert torch.equal(load_picture(tmp_path / "deep.png", inside=tmp_path), Quantizer(12).round(image))


def test_only_the_named_formats_are_opened(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (4, 4)).save(path, format="JPEG")
    with pytest.raises(OSError, match="cannot identify image file"), open_picture(path):
        pass
    with open_picture(path, formats=("PNG", "JPEG")) as picture:
        assert picture.format == "JPEG"


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    Image.new("L", (20, 10)).save(tmp_path / "large.png")
    with open_picture(tmp_path / "large.png", max_pixels=200) as picture:
        assert picture.size == (20, 10)
    refused = pytest.raises(OSError, match="20 x 10 pixels; at most 199 are read")
    with refused, open_picture(tmp_path / "large.png", max_pixels=199):
        pass


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match="Not a regular file"), open_picture(tmp_path / "pipe.png"):
        pass
    with pytest.raises(InputError, match=r"pipe\.png: cannot be read \(Not a regular file\); attack the image again"):
        load_picture(tmp_path / "pipe.png", inside=tmp_path)
