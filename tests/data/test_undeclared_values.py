"""Mask values that nobody has declared: the message shows declarations that fit them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.encodings import BINARY
from benchmark.data.masks import read_mask
from benchmark.errors import InputError


def message(tmp_path: Path, values: list[int]) -> str:
    path = tmp_path / "mask.png"
    Image.fromarray(np.resize(np.array(values, np.uint8), (8, 8))).save(path)
    with pytest.raises(InputError, match="are not in the declared encoding") as raised:
        read_mask(path, BINARY, "data.encoding")
    return str(raised.value)


def test_few_values_may_be_classes_or_labels_that_overlap(tmp_path: Path) -> None:
    said = message(tmp_path, [0, 100, 200, 255])
    assert "such as {0:0,100:1,200:2,255:3}, or {0:[],100:[a],200:[a,b],255:[a,b,c]} for labels that overlap" in said


def test_many_values_are_an_outline(tmp_path: Path) -> None:
    said = message(tmp_path, [*range(0, 256, 5)])
    assert "such as" not in said
    assert "data.encoding=threshold" in said
