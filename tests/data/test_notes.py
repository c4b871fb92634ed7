"""What is said of a folder that nobody has split: who drew the splits, and what an attack leaves out."""

from pathlib import Path

import pytest

from benchmark.data.datamodule import SegmentationData
from benchmark.data.folder import Folder
from benchmark.data.notes import data_set_notes
from benchmark.data.source import SPLITS

DREW = "is not split, so that this program drew 6 train and 2 val images of its 10, which are not attacked"


def notes(root: Path, *, trains: bool = False, overlapping: bool = False, **options) -> list[str]:
    every = {name: value for name, value in options.items() if name in ("test_split", "labels")}
    source = Folder(root, **options)
    return data_set_notes(SegmentationData(source, size=24, overlapping=overlapping, **every), trains=trains)


@pytest.mark.parametrize("overlapping", [False, True])
def test_a_drawn_split_says_how_many_images_it_leaves_out(folder: Path, overlapping: bool) -> None:
    (note,) = notes(folder, overlapping=overlapping)
    assert DREW in note
    assert "data.test_split=all attacks all" in note


def test_nothing_is_said_where_a_victim_is_trained_or_the_user_has_divided_the_images(folder: Path) -> None:
    assert notes(folder, trains=True) == []
    assert notes(folder, fractions=[0.5, 0.3, 0.2]) == []
    ids = Folder(folder, fractions=[0, 0, 1]).splits()["test"]
    (folder / "splits").mkdir()
    for split, members in zip(SPLITS, (ids[:4], ids[4:6], ids[6:]), strict=True):
        (folder / "splits" / f"{split}.txt").write_text("\n".join(members))
    assert notes(folder) == []


def test_attacked_training_images_come_with_who_drew_them(folder: Path) -> None:
    (note,) = notes(folder, test_split="all")
    assert "10 images (6 of train, 2 of val, 2 of test; this program drew the splits)" in note
    (note,) = notes(folder, test_split="all", fractions=[0.6, 0.2, 0.2])
    assert "10 images (6 of train, 2 of val, 2 of test): a victim" in note


def test_a_folder_of_images_alone_is_attacked_whole_and_nothing_sounds_like_an_error(folder: Path) -> None:
    first, _ = notes(folder / "images", labels="predicted")
    assert first.endswith("is not split: all of its images are test images")
