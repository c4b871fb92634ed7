"""Folders of images and masks: layouts, splits, declared encodings, and every way they can be wrong."""

import re

import numpy as np
import pytest
from PIL import Image

from benchmark.data.folder import Folder
from benchmark.errors import InputError


def _write_lists(root, **lists):
    (root / "splits").mkdir()
    for split, ids in lists.items():
        (root / "splits" / f"{split}.txt").write_text("\n".join(ids) + "\n")


def test_hash_split_is_disjoint_complete_and_repeatable(folder):
    splits = Folder(folder).splits()
    assert sorted(id for ids in splits.values() for id in ids) == [f"case{i}" for i in range(10)]
    assert [len(splits[s]) for s in ("train", "val", "test")] == [6, 2, 2]
    assert Folder(folder).splits() == splits
    assert any(Folder(folder, split_seed=seed).splits() != splits for seed in (1, 2, 3))


def test_three_images_give_one_to_each_split(folder):
    for i in range(3, 10):
        for kind in ("images", "masks"):
            (folder / kind / f"case{i}.png").unlink()
    assert [len(ids) for ids in Folder(folder).splits().values()] == [1, 1, 1]


def test_two_images_cannot_be_split(folder):
    for i in range(2, 10):
        for kind in ("images", "masks"):
            (folder / kind / f"case{i}.png").unlink()
    with pytest.raises(InputError, match="2 images cannot be split"):
        Folder(folder)


def test_sub_folders_are_the_splits(tmp_path, write_pair):
    for i, split in enumerate(("train", "val", "test")):
        write_pair(tmp_path / split / "images" / f"{i}.jpg", tmp_path / split / "masks" / f"{i}.png", i)
    source = Folder(tmp_path)
    assert source.splits() == {"train": ["0"], "val": ["1"], "test": ["2"]}
    assert source.read("val", "1").mask.shape == (24, 32)


def test_split_files_keep_their_order_and_leave_others_out(folder):
    lists = {"train": ["case5", "case1"], "val": ["case2"], "test": ["case9", "case0"]}
    _write_lists(folder, **lists)
    assert Folder(folder, splits="splits").splits() == lists


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({}, "splits: lists no images; write one file stem per line into train.txt, val.txt or test.txt"),
        ({"train": [], "test": [" "]}, "splits: lists no images"),
        ({"train": ["case0"], "val": ["caseX"], "test": ["case1"]}, "val.txt: lists 'caseX' but"),
        ({"train": ["case0"], "val": ["case1"], "test": ["case0"]}, "lists 'case0', which train.txt lists already"),
        ({"train": ["case0", "case0"], "val": ["case1"], "test": ["case2"]}, "which train.txt lists already"),
    ],
)
def test_bad_split_files(folder, lists, message):
    _write_lists(folder, **lists)
    with pytest.raises(InputError, match=re.escape(message)):
        Folder(folder, splits="splits")


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.5, 0.5, 0.5), (1.5, -0.5, 0), (0, 0, 0), ("a", 0, 1), ()])
def test_bad_fractions(folder, fractions):
    with pytest.raises(InputError, match="three numbers from 0 that sum to 1"):
        Folder(folder, fractions=fractions)


def test_missing_root(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere: no such folder; set data\.root to one that holds images/ and masks/"
    ):
        Folder(tmp_path / "nowhere")


def test_missing_masks_folder(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match=r"has no folder masks; create it or set data\.images/data\.masks"):
        Folder(tmp_path)


def test_no_images(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    with pytest.raises(InputError, match="images: holds no images"):
        Folder(tmp_path)


def test_two_images_of_one_name(folder):
    Image.new("RGB", (32, 24)).save(folder / "images" / "case1.jpg")
    with pytest.raises(InputError, match=r"case1\.png: has the same id as case1\.jpg"):
        Folder(folder)


def test_unpaired_image(folder):
    (folder / "masks" / "case4.png").unlink()
    with pytest.raises(InputError, match=r"case4\.png: has no mask in .*masks"):
        Folder(folder, fractions=(0, 0, 1)).read("test", "case4")


def test_other_files_are_ignored(folder):
    (folder / "images" / "notes.txt").write_text("x")
    (folder / "images" / "._case1.png").write_bytes(b"x")
    assert sum(map(len, Folder(folder).splits().values())) == 10


def test_declared_encoding_with_void_and_names(folder):
    mask = np.zeros((24, 32), np.uint8)
    mask[0, :4] = [0, 128, 255, 7]
    split, id = next((s, ids[0]) for s, ids in Folder(folder).splits().items())
    Image.fromarray(mask).save(folder / "masks" / f"{id}.png")
    names = ("background", "rim", "cup")
    source = Folder(folder, encoding={"255": 0, "128": 1, "0": 2}, class_names=names, ignore=7)
    assert (source.classes, source.background, source.class_names) == (3, 0, names)
    assert source.read(split, id).mask[0, :4].tolist() == [2, 1, 0, 255]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "data.classes=1: gives 1 classes; a segmentation needs 2"),
        ({"classes": 2, "encoding": {0: 0, 9: 2}}, "9 -> 2 is out of range"),
        ({"background": 2}, "data.background=2: must be one of the classes 0..1"),
        ({"class_names": ["one"]}, "names for 2 classes are needed"),
        ({"encoding": {0: "skin"}}, "must be integers"),
    ],
)
def test_bad_declarations(folder, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Folder(folder, **options)


def test_fingerprint_depends_on_bytes_encoding_and_split(folder):
    prints = [
        Folder(folder).fingerprint(),
        Folder(folder, encoding={0: 1, 255: 0}).fingerprint(),
        Folder(folder, fractions=(0.4, 0.3, 0.3)).fingerprint(),
    ]
    path = folder / "images" / "case0.png"
    path.write_bytes(path.read_bytes() + b"\0")
    prints.append(Folder(folder).fingerprint())
    assert len(set(prints)) == 4


def test_a_folder_of_split_files_is_used_without_being_named(folder):
    (folder / "splits").mkdir()
    for split, ids in (("train", ("case0", "case1")), ("val", ("case2",)), ("test", ("case9", "case3"))):
        (folder / "splits" / f"{split}.txt").write_text("\n".join(ids))
    assert Folder(folder).splits()["test"] == ["case9", "case3"]


def test_an_encoding_the_shell_has_taken_apart(folder):
    with pytest.raises(InputError, match=r"data\.encoding='0:0': is no mapping; quote it"):
        Folder(folder, encoding="0:0")
