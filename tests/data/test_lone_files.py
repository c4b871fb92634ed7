"""Images without masks and masks without images, of every data set: named with all other bad files, or left out."""

import re
from pathlib import Path

import pytest

from benchmark.data.datamodule import SegmentationData
from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.files import PairedFiles
from benchmark.data.folder import Folder
from benchmark.data.isic import ISIC
from benchmark.errors import InputError
from tests.data.sources_of_conf import SOURCES
from tests.miniatures import WRITERS

PAIRED = [name for name in SOURCES if name != "medsegbench"]


def spoilt(name: str, root: Path) -> tuple[PairedFiles, list[Path]]:
    """A source whose first image lacks its mask, whose last mask lacks its image, and one of whose images is none."""
    WRITERS[name](root)
    files = list(dict.fromkeys(files for pairs in SOURCES[name](root).pairs.values() for files in pairs.values()))
    (first, mask, *_), *between, (image, last, *_) = files
    mask.unlink()
    image.unlink()
    broken = [files[0] for files in between[:1]]
    for path in broken:
        path.write_bytes(b"<html>")
    return SOURCES[name](root), [first, last, *broken]


@pytest.mark.parametrize("name", PAIRED)
def test_all_are_named_together(tmp_path: Path, name: str) -> None:
    source, bad = spoilt(name, tmp_path)
    with pytest.raises(InputError, match=rf"{len(bad)} of \d+ images cannot be used; .*data\.on_bad=skip") as raised:
        SegmentationData(source, size=16)
    lines = str(raised.value).split("\n")[1:]
    assert all(any(line.strip().startswith(str(path)) for line in lines) for path in bad)
    assert len(lines) == len(bad)


@pytest.mark.parametrize("name", [name for name in PAIRED if name != "rim_one_samples"])
def test_all_are_left_out(tmp_path: Path, name: str) -> None:
    source, (alone, _, broken) = spoilt(name, tmp_path)
    data = SegmentationData(source, size=16, on_bad="skip")
    assert [one.reason.split(": ")[0] for one in data.skipped] in ([str(alone), str(broken)], [str(broken), str(alone)])
    assert all(files[0].is_file() and files[1].is_file() for pairs in source.pairs.values() for files in pairs.values())
    assert len(data.fingerprint()) == 64


@pytest.mark.parametrize("test_split", ["test", "all"])
def test_those_of_other_splits_are_named_too(folder: Path, test_split: str) -> None:
    splits = Folder(folder).splits()
    bad = [ids[0] for ids in splits.values()]
    for id in bad:
        (folder / "images" / f"{id}.png").write_bytes(b"<html>")
    data = datamodule_for(Folder)(root=str(folder), size=16, test_split=test_split)
    with pytest.raises(InputError, match="3 of 10 images cannot be used") as raised:
        data.setup("test")
    assert all(f"{id}.png" in str(raised.value) for id in bad)


def test_a_folder_of_splits_of_one_image(folder: Path) -> None:
    for split, case in (("train", "case0"), ("val", "case1"), ("test", "case2")):
        for kind in ("images", "masks"):
            (folder / split / kind).mkdir(parents=True)
            (folder / kind / f"{case}.png").rename(folder / split / kind / f"{case}.png")
    for split, case in (("train", "case0"), ("test", "case2")):
        (folder / split / "masks" / f"{case}.png").unlink()
    with pytest.raises(InputError, match=r"2 of 3 images cannot be used.*\n.*train.*case0.*\n.*test.*case2"):
        datamodule_for(Folder)(root=str(folder), size=16)


def test_images_that_no_list_names_may_lack_a_mask(folder: Path) -> None:
    (folder / "splits").mkdir()
    (folder / "splits" / "test.txt").write_text("case0\n")
    (folder / "masks" / "case1.png").unlink()
    data = datamodule_for(Folder)(root=str(folder), size=16)
    data.setup("test")
    assert data.test_ids() == ["case0"]


def test_a_mask_of_another_name_is_named_as_well(folder: Path) -> None:
    (folder / "masks" / "case1.png").rename(folder / "masks" / "case1_mask.png")
    with pytest.raises(InputError, match=r"data\.on_bad=skip") as raised:
        datamodule_for(Folder)(root=str(folder), size=16, fractions=[0, 0, 1])
    assert re.search(r"case1\.png: has no mask in .*\n.*case1_mask\.png: has no image in", str(raised.value))


def test_a_split_that_loses_all_its_images_says_why(isic: Path) -> None:
    for path in (isic / "ISIC2018_Task1-2_Test_Input").glob("*.jpg"):
        path.write_bytes(b"<html>")
    data = datamodule_for(ISIC)(root=isic, year=2018, size=16, on_bad="skip")
    with pytest.raises(InputError, match=r"'test' has no images left: data\.on_bad=skip leaves out all 2 of them"):
        data.setup("test")
