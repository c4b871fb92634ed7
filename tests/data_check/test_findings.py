"""What a scan of small data sets finds."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.data.cvc_clinicdb import CVCClinicDB
from benchmark.data.folder import Folder
from benchmark.data.isic import ISIC
from benchmark.data_check.findings import KINDS, Finding, find
from benchmark.data_check.scan import Item, scan
from tests.miniature_drawing import box, picture, save
from tests.miniatures import WRITERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The root of a data=folder of eight images, with a list of its own for each split."""
    WRITERS["folder"](tmp_path)
    (tmp_path / "splits").mkdir()
    for split, numbers in (("train", range(4)), ("val", (4, 5)), ("test", (6, 7))):
        (tmp_path / "splits" / f"{split}.txt").write_text("\n".join(f"case{i}" for i in numbers))
    return tmp_path


def _find(root: Path, **options) -> dict[str, list[tuple[str, ...]]]:
    source = Folder(root, **options)
    items = scan(source)
    found: dict[str, list[tuple[str, ...]]] = {}
    for finding in find(items, source.background):
        assert finding.detail
        found.setdefault(finding.kind, []).append(tuple(items[place].name for place in finding.places))
    return found


def test_nothing(folder: Path) -> None:
    assert _find(folder) == {}


def test_every_image_is_read_whatever_is_wrong_with_some(folder: Path) -> None:
    (folder / "images" / "case1.png").write_bytes(b"no image")
    save(folder / "masks" / "case4.png", 7 * box(4))
    save(folder / "masks" / "case6.png", 255 * box(6, 31))
    assert _find(folder) == {"unreadable": [("train/case1",), ("val/case4",), ("test/case6",)]}


def test_the_same_image_across_and_within_splits(folder: Path) -> None:
    shutil.copy(folder / "images" / "case0.png", folder / "images" / "case7.png")
    with Image.open(folder / "images" / "case2.png") as same:
        same.save(folder / "images" / "case3.png", compress_level=0)
    assert _find(folder) == {"same image": [("train/case0", "test/case7"), ("train/case2", "train/case3")]}


def test_the_same_picture_saved_anew(folder: Path) -> None:
    (folder / "images" / "case7.png").unlink()
    with Image.open(folder / "images" / "case0.png") as other:
        other.save(folder / "images" / "case7.jpg", quality=80)
    assert _find(folder) == {"similar image": [("train/case0", "test/case7")]}


def test_images_of_unknown_patients_are_no_frames_of_one_sequence(folder: Path) -> None:
    (folder / "images" / "case3.png").unlink()
    with Image.open(folder / "images" / "case0.png") as other:
        other.save(folder / "images" / "case3.jpg", quality=80)
    assert _find(folder)["similar image"] == [("train/case0", "train/case3")]


def test_one_mask_for_two_images(folder: Path) -> None:
    shutil.copy(folder / "masks" / "case0.png", folder / "masks" / "case5.png")
    assert _find(folder)["same mask"] == [("train/case0", "val/case5")]


def test_one_mask_for_copies_of_an_image_is_right(folder: Path) -> None:
    for kind in ("images", "masks"):
        shutil.copy(folder / kind / "case0.png", folder / kind / "case5.png")
    assert _find(folder) == {"same image": [("train/case0", "val/case5")]}


def test_exchanged_masks(folder: Path) -> None:
    (folder / "masks" / "case0.png").rename(folder / "masks" / "other.png")
    (folder / "masks" / "case5.png").rename(folder / "masks" / "case0.png")
    (folder / "masks" / "other.png").rename(folder / "masks" / "case5.png")
    assert _find(folder) == {"exchanged masks": [("train/case0", "val/case5")]}


def test_odd_masks_and_images(folder: Path) -> None:
    save(folder / "masks" / "case0.png", np.zeros((30, 40), np.uint8))
    save(folder / "masks" / "case1.png", np.full((30, 40), 255, np.uint8))
    save(folder / "images" / "case2.png", np.full((30, 40, 3), 80, np.uint8))
    save(folder / "masks" / "case3.png", np.full((30, 40), 9, np.uint8))
    found = _find(folder, ignore=9)
    assert found["empty mask"] == [("train/case0",), ("train/case3",)]
    assert found["full mask"] == [("train/case1",)]
    assert found["blank image"] == [("train/case2",)]


def test_a_patient_in_two_splits() -> None:
    items = [Item(split=split, id=f"{i}", group=group) for i, (split, group) in enumerate(
        [("train", "A"), ("train", "A"), ("train", "B"), ("val", ""), ("test", "A"), ("test", "")]
    )]  # fmt: skip
    for item in items:
        item.counts = {0: 1, 1: 1}
    assert [f for f in find(items, 0) if f.kind == "split patient"] == [
        Finding("split patient", (0, 4), "A is in train, test")
    ]


def test_frames_of_a_sequence_may_look_alike(tmp_path: Path) -> None:
    WRITERS["cvc_clinicdb"](tmp_path)
    original = tmp_path / "CVC-ClinicDB" / "Original"
    pixels = picture(1, box(1)).astype(np.int16)
    for number, frame in enumerate((1, 24, 25)):
        save(original / f"{frame}.tif", (pixels + number).astype(np.uint8))
    source = CVCClinicDB(tmp_path, (0.7, 0.15, 0.15), 0)
    items = scan(source)
    found = [finding for finding in find(items, 0) if finding.kind.startswith("similar")]
    assert [(f.kind, {items[place].id for place in f.places}, f.is_problem) for f in found] == [
        ("similar frames", {"1", "24", "25"}, False)
    ]


def test_kinds_come_in_one_order() -> None:
    items = [
        Item(split="train", id="0", error="cut short"),
        Item(split="train", id="1", counts={0: 4}),
        Item(split="val", id="2", error="gone"),
    ]
    found = find(items, 0)
    assert [f.kind for f in found] == ["unreadable", "unreadable", "empty mask"]
    assert {f.kind for f in found} <= set(KINDS)


def test_what_a_scan_knows_of_an_image(tmp_path: Path) -> None:
    miniature = WRITERS["isic2018"](tmp_path)
    (item, *_), mask = scan(ISIC(tmp_path, 2018)), miniature.masks["ISIC_0000000"]
    inside = int(mask.sum())
    assert (item.name, item.size, item.error) == ("train/ISIC_0000000", (40, 30), None)
    assert item.formats == ["image JPEG RGB", "mask PNG L"]
    assert dict(item.values) == {0: mask.size - inside, 255: inside}
    assert item.counts == {0: mask.size - inside, 1: inside}
