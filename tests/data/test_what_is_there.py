"""Cures that can be followed: what is there instead, and only keys that the data set has."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.folder import Folder
from benchmark.data.isic import ISIC
from benchmark.data.kvasir_seg import KvasirSEG
from benchmark.errors import InputError

FRACTIONS = (0.5, 0.25, 0.25)


def pictures(folder: Path, names: list[str], value: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(folder / name)


def test_pictures_of_another_format_are_named(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        pictures(tmp_path / name, [f"{k}.png" for k in range(10)])
    message = (
        r"holds no images named \*\.jpg or \*\.jpeg; .* data=folder \(found there: 10 \.png files such as 0\.png\)"
    )
    with pytest.raises(InputError, match=message):
        KvasirSEG(tmp_path, FRACTIONS, 0)
    assert sum(map(len, Folder(tmp_path).splits().values())) == 10


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for name in ("p1", "p2"):
        (tmp_path / "images" / name).mkdir(parents=True)
    (tmp_path / "images" / "scan.dcm").touch()
    message = r"holds no images named .*; put them there or .* \(found there: scan\.dcm; folders p1/, p2/\)"
    with pytest.raises(InputError, match=message):
        Folder(tmp_path)


def test_folders_of_other_names_are_named(tmp_path: Path) -> None:
    for name in ("imgs", "labels"):
        pictures(tmp_path / name, ["a.png"])
    with pytest.raises(
        InputError, match=r"has no folder images; .*data\.images.*\(found there: folders imgs/, labels/\)"
    ):
        Folder(tmp_path)


def test_masks_of_other_names_are_named(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["a.png", "b.png"])
    pictures(tmp_path / "masks", ["a_mask.png", "b_mask.png"])
    with pytest.raises(InputError, match=r"has no mask in .*\(without a partner there: a_mask\.png, b_mask\.png\)"):
        Folder(tmp_path)


def test_masks_of_another_format_are_named(tmp_path: Path) -> None:
    pictures(tmp_path / "images", ["a.jpg"])
    pictures(tmp_path / "masks", ["a.png", "b.png"])
    with pytest.raises(InputError, match=r"has no mask in .*\(found there: 2 \.png files such as a\.png\)"):
        KvasirSEG(tmp_path, FRACTIONS, 0)


def test_a_key_that_the_data_set_lacks_is_no_cure(tmp_path: Path) -> None:
    for part in ("Training", "Validation", "Test"):
        pictures(tmp_path / f"ISIC2018_Task1-2_{part}_Input", [f"ISIC_{part}.jpg"])
        pictures(tmp_path / f"ISIC2018_Task1_{part}_GroundTruth", [f"ISIC_{part}_segmentation.png"], 17)
    with pytest.raises(InputError, match=r"mask values 17 are not in .*; restore the published file, or") as raised:
        ISIC(tmp_path, 2018).read("val", "ISIC_Validation")
    assert "data.encoding" not in str(raised.value)
