"""Labels that overlap: classes one within the other, and encodings that list labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.data.datamodule import SegmentationData
from benchmark.data.folder import Folder
from benchmark.data.synthetic import Synthetic
from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets

NESTED = {0: [], 128: ["disc"], 255: ["disc", "cup"]}


@pytest.fixture
def fundus(tmp_path: Path) -> Path:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for number in range(10):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "images" / f"{number}.png")
        mask = np.zeros((8, 8), np.uint8)
        mask[:4], mask[:2] = 128, 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


def masks_of(source: Any) -> np.ndarray:
    return source.read("train", source.splits()["train"][0]).mask


def test_classes_one_within_the_other_become_labels() -> None:
    plain = Synthetic(n_train=1, n_val=1, n_test=1, classes=3, size=32)
    data = SegmentationData(plain, size=32, overlapping=True)
    assert (data.classes, data.class_names) == (4, ("no label", "disc", "cup", "disc + cup"))
    assert are_subsets(data.background)
    assert data.scored_names == ("disc", "cup")
    before, after = masks_of(plain), masks_of(data.source)
    assert np.array_equal(after & 1, before >= 1), "the disc has the pixels of its cup, too"
    assert np.array_equal(after >> 1, before == 2)
    assert {0, 1, 3} == set(np.unique(after))
    assert data.fingerprint() != SegmentationData(plain, size=32).fingerprint()
    assert SegmentationData(plain, size=32).scored_names == ("background", "disc", "cup")


def test_labels_without_names_are_numbered_from_0(fundus: Path) -> None:
    source = Folder(fundus, encoding={0: 0, 128: 1, 255: 2})
    data = SegmentationData(source, size=32, overlapping=True)
    assert data.scored_names == ("label 0", "label 1")
    named = Folder(fundus, encoding={0: 0, 128: 1, 255: 2}, class_names=["no", "disc", "cup"])
    assert SegmentationData(named, size=32, overlapping=True).scored_names == ("disc", "cup")


def test_an_encoding_may_list_labels(fundus: Path) -> None:
    source = Folder(fundus, encoding=NESTED, ignore=7)
    assert (source.classes, source.class_names) == (4, ("no label", "disc", "cup", "disc + cup"))
    assert are_subsets(source.background)
    assert masks_of(source)[:, 0].tolist() == [3, 3, 1, 1, 0, 0, 0, 0]
    swapped = Folder(fundus, encoding=NESTED, class_names=["cup", "disc"])
    assert masks_of(swapped)[:, 0].tolist() == [3, 3, 2, 2, 0, 0, 0, 0]
    assert swapped.fingerprint() != source.fingerprint()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": {0: [], 255: 1}}, r"data\.encoding: 255 -> 1 is no list of labels; give lists throughout"),
        ({"encoding": {0: [], 255: [1]}}, r"data\.encoding: 255 -> \[1\] is no list of labels"),
        ({"encoding": {0: []}}, r"data\.encoding: gives 0 labels that overlap; 1 to 6 are possible"),
        ({"encoding": {0: [], 1: list("abcdefg")}}, r"data\.encoding: gives 7 labels that overlap"),
        (
            {"encoding": NESTED, "class_names": ["disc"]},
            r"data\.encoding: cup is not among data\.class_names=\['disc'\]",
        ),
        ({"encoding": NESTED, "class_names": ["disc", "cup", "cup"]}, r"data\.encoding: names a label twice"),
        ({"encoding": {300000: [], 1: ["a"]}}, r"data\.encoding=.*300000 -> 0 is out of range"),
    ],
)
def test_encodings_that_name_no_labels(fundus: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Folder(fundus, **options)


def test_nested_classes_need_a_background() -> None:
    source = Synthetic(n_train=1, n_val=1, n_test=1)
    source.background = 1
    with pytest.raises(InputError, match=r"data\.overlapping=true: class 0 of synthetic must be the background"):
        SegmentationData(source, size=32, overlapping=True)
