"""Files that cannot be used: named together, or left out and counted."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.datamodule import SegmentationData
from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.folder import Folder
from benchmark.data.isic import ISIC
from benchmark.data.notes import data_set_notes
from benchmark.errors import InputError
from tests.synthetic_data import synthetic_data


def folder_data(root: Path, **options) -> SegmentationData:
    return datamodule_for(Folder)(root=str(root), **{"size": 16, "fractions": [0, 0, 1], **options})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def no_picture(path: Path) -> None:
    path.write_text("<html>")


def transparent(path: Path) -> None:
    Image.new("RGBA", (32, 24)).save(path)


def other_size(path: Path) -> None:
    Image.new("RGB", (10, 10)).save(path)


DAMAGE = {"cut": cut, "no picture": no_picture, "transparent": transparent, "other size": other_size}


def spoil(root: Path) -> None:
    for number, damage in enumerate(DAMAGE.values()):
        damage(root / "images" / f"case{number}.png")
    Image.fromarray(np.full((24, 32), 9, np.uint8)).save(root / "masks" / "case4.png")


@pytest.mark.parametrize("cache", [0, 64])
def test_all_of_them_are_named_with_one_cure(folder: Path, cache: int) -> None:
    spoil(folder)
    with pytest.raises(InputError) as raised:
        folder_data(folder, cache_mb=cache).setup("test")
    first, *lines = str(raised.value).split("\n")
    assert "5 of 10 images cannot be used; repair or remove the files, or give data.on_bad=skip" in first
    assert len(lines) == 5
    assert all(f"case{number}.png" in line for number, line in enumerate(lines))
    assert "partly transparent" in lines[2]
    assert "mask values 9" in lines[4]


def test_of_many_the_first_are_named(tmp_path: Path, write_pair) -> None:
    for i in range(30):
        write_pair(tmp_path / "images" / f"{i:02}.png", tmp_path / "masks" / f"{i:02}.png", i)
    for i in range(25):
        no_picture(tmp_path / "images" / f"{i:02}.png")
    with pytest.raises(InputError, match="25 of 30 images") as raised:
        folder_data(tmp_path).setup("test")
    *lines, last = str(raised.value).split("\n")[1:]
    assert (len(lines), last) == (20, "  and 5 more")


def test_one_is_one_line(folder: Path) -> None:
    cut(folder / "images" / "case3.png")
    with pytest.raises(InputError, match=r"\A[^\n]*case3\.png: cannot be read[^\n]*\(data\.on_bad=skip[^\n]*\)\Z"):
        folder_data(folder).setup("test")


@pytest.mark.parametrize("cache", [0, 64])
def test_they_are_left_out_and_counted(folder: Path, cache: int) -> None:
    spoil(folder)
    data = folder_data(folder, on_bad="skip", cache_mb=cache)
    data.setup("test")
    assert data.test_ids() == data.splits()["test"] == [f"case{i}" for i in range(5, 10)]
    assert [item["id"] for item in data.test_dataloader().dataset] == data.test_ids()
    assert [(one.split, one.id) for one in data.skipped] == [("test", f"case{i}") for i in range(5)]
    (note,) = data_set_notes(data)
    assert note.startswith("data.on_bad=skip: 5 of 10 images skipped (")
    assert "case4.png: mask values 9" in note


def test_the_fingerprint_is_of_the_images_that_are_left(folder: Path) -> None:
    spoil(folder)
    before = folder_data(folder, on_bad="skip").fingerprint()
    no_picture(folder / "images" / "case0.png")
    assert folder_data(folder, on_bad="skip").fingerprint() == before
    Image.new("RGB", (32, 24)).save(folder / "images" / "case0.png")
    assert folder_data(folder, on_bad="skip").fingerprint() != before


def test_every_command_leaves_out_the_same(folder: Path) -> None:
    splits = Folder(folder).splits()
    no_picture(folder / "images" / f"{splits['train'][0]}.png")
    for test_split in ("test", "all"):
        data = datamodule_for(Folder)(root=str(folder), size=16, on_bad="skip", test_split=test_split)
        assert data.splits() == splits | {"train": splits["train"][1:]}
    data.setup("fit")


def test_images_without_a_mask_are_named_or_left_out(folder: Path) -> None:
    for number in (1, 2, 3):
        (folder / "masks" / f"case{number}.png").unlink()
    no_picture(folder / "images" / "case7.png")
    with pytest.raises(InputError, match=r"4 of 10 images cannot be used; .*data\.on_bad=skip") as raised:
        folder_data(folder)
    *alone, last = str(raised.value).split("\n")[1:]
    assert all(f"case{i}.png: has no mask in" in line for i, line in zip((1, 2, 3), alone, strict=True))
    assert "case7.png: cannot be read" in last
    data = folder_data(folder, on_bad="skip")
    assert len(data.test_ids()) == 6
    assert "4 of 10 images skipped" in data_set_notes(data)[0]


def test_lists_may_name_images_that_are_left_out(folder: Path) -> None:
    (folder / "splits").mkdir()
    (folder / "splits" / "test.txt").write_text("case0\ncase1\n")
    (folder / "masks" / "case0.png").unlink()
    assert folder_data(folder, on_bad="skip", fractions=None).test_ids() == ["case1"]


def test_colours_in_grey_data_are_left_out_too(folder: Path) -> None:
    for number in range(1, 10):
        Image.new("L", (32, 24), number).save(folder / "images" / f"case{number}.png")
    data = folder_data(folder, on_bad="skip", channels=1)
    assert [one.id for one in data.skipped] == ["case0"]


def test_published_sets_leave_out_too(isic: Path) -> None:
    no_picture(isic / "ISIC2018_Task1-2_Test_Input" / "ISIC_0000006.jpg")
    data = datamodule_for(ISIC)(root=str(isic), year=2018, size=16, on_bad="skip")
    assert data.test_ids() == ["ISIC_0000007"]


def test_nothing_left_is_refused(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        no_picture(path)
    with pytest.raises(InputError, match="10 of 10 images cannot be used"):
        folder_data(folder, on_bad="skip")


def test_whole_data_sets_lose_nothing(folder: Path) -> None:
    assert folder_data(folder, on_bad="skip").skipped == synthetic_data(n_test=2, size=16, on_bad="skip").skipped == []
    assert folder_data(folder, on_bad="skip").fingerprint() == folder_data(folder).fingerprint()


def test_an_unknown_way(folder: Path) -> None:
    with pytest.raises(InputError, match=r"data\.on_bad='skpi': must be stop or skip, did you mean skip\?"):
        folder_data(folder, on_bad="skpi")


@pytest.mark.parametrize("on_bad", ["stop", "skip"])
def test_values_are_checked_before_files_are_read(folder: Path, on_bad: str) -> None:
    spoil(folder)
    (folder / "masks" / "case7.png").unlink()
    with pytest.raises(InputError, match=r"data\.size=\[24\]: is one side"):
        folder_data(folder, on_bad=on_bad, size=[24])
