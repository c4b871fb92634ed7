"""Where an image, its padding and a smaller output lie in each other."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmark.images.output_window import InputFrame, OutputWindow, window_of


def test_placing_undoes_cropping() -> None:
    window, whole = OutputWindow(1, 2, 3, 4), torch.arange(42).view(6, 7)
    cropped = window.crop(whole)
    assert cropped.tolist() == [[9, 10, 11, 12], [16, 17, 18, 19], [23, 24, 25, 26]]
    placed = window.place(cropped, (6, 7), fill=-1)
    inside = window.inside((6, 7))
    assert inside.sum() == 12
    assert torch.equal(placed[inside], whole[inside])
    assert (placed[~inside] == -1).all()


def test_the_paper_shows_388_of_the_408_pixels_it_pads_to_572() -> None:
    frame = InputFrame((82, 82, 82, 82), OutputWindow(92, 92, 388, 388))
    assert frame.shown(408, 408) == (10, 10, 388, 388)


@given(
    *(st.integers(1, 9) for _ in range(2)),
    *(st.integers(0, 6) for _ in range(4)),
    *(st.integers(0, 4) for _ in range(2)),
)
def test_what_is_cut_from_the_output_is_what_it_says_of_the_image(
    height: int, width: int, left: int, right: int, top: int, bottom: int, rows: int, columns: int
) -> None:
    """The output is here the padded input itself, margins cut off: each pixel must come back at its own place."""
    image = torch.arange(1, height * width + 1).view(height, width)
    padded = F.pad(image, (left, right, top, bottom))
    size = [max(side - 2 * margin, 0) for side, margin in zip(padded.shape, (rows, columns), strict=True)]
    frame = InputFrame((left, right, top, bottom), OutputWindow(rows, columns, size[0], size[1]))
    shown = frame.shown(height, width)
    assert torch.equal(frame.cut(frame.output.crop(padded), height, width), shown.crop(image))
    kept = F.pad(torch.ones_like(image), (left, right, top, bottom))
    assert shown.height * shown.width == frame.output.crop(kept).sum()


def test_a_model_that_says_nothing_shows_everything() -> None:
    assert window_of(torch.nn.Identity(), 3, 5) == (0, 0, 3, 5)
