"""Pictures inside the page."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from benchmark.images.label_maps import CLASS_COLOURS, VOID
from benchmark.report.page.thumbnails import Thumbnails, outline


def _opened(uri: str) -> Image.Image:
    kind, _, data = uri.partition(";base64,")
    picture = Image.open(BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{(picture.format or '').lower()}"
    return picture


@pytest.mark.parametrize("channels", [1, 3])
def test_without_loss_every_pixel_is_there(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, channels), np.uint8)
    found = np.array(_opened(Thumbnails(64, lossless=True).photograph(pixels)))
    assert np.array_equal(found, np.repeat(pixels, 3 // channels, axis=2))


def test_a_large_picture_keeps_its_shape() -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    small = Thumbnails(60, lossless=False)
    assert _opened(small.photograph(pixels)).size == (60, 20)
    assert _opened(small.overlay(np.zeros((100, 300), np.uint8))).size == (60, 20)


def test_no_change_is_mid_grey_and_a_change_is_multiplied() -> None:
    small = Thumbnails(8, lossless=True)
    uri, _ = small.change(np.zeros((4, 4, 3)))
    assert np.array(_opened(uri)).min() == np.array(_opened(uri)).max() == 128
    delta = np.zeros((4, 4, 3))
    delta[0], delta[1] = 0.05, -0.05
    uri, scale = small.change(delta)
    found = np.array(_opened(uri))
    assert scale == 10
    assert (found[0].min(), found[1].max(), found[2].max()) == (255, 0, 128)


def test_an_overlay_leaves_the_background_and_draws_the_edge() -> None:
    labels = np.zeros((7, 7), np.uint8)
    labels[1:6, 1:6] = 1
    labels[6, 6] = VOID
    found = np.array(_opened(Thumbnails(16, lossless=False).overlay(labels)).convert("RGBA"))
    assert (found[..., 3] == 0).tolist() == (labels == 0).tolist()
    assert found[1, 3, 3] == 255 > found[3, 3, 3] > 0
    assert "#{:02X}{:02X}{:02X}".format(*found[3, 3, :3]) == CLASS_COLOURS[0]
    assert "#{:02X}{:02X}{:02X}".format(*found[6, 6, :3]) == "#999999"


def test_the_outline_is_where_a_neighbour_differs() -> None:
    labels = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]])
    expected = np.zeros((4, 4), bool)
    for i, j in np.ndindex(4, 4):
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if 0 <= a < 4 and 0 <= b < 4:
                expected[i, j] |= labels[a, b] != labels[i, j]
    assert outline(labels).tolist() == expected.tolist()
