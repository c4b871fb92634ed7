"""Data of people who only attack: a test split alone, every image of a data set, images that are not square."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.data.datamodule import SegmentationData
from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.folder import Folder
from benchmark.data.rim_one_samples import RimOneSamples
from benchmark.errors import InputError
from tests.synthetic_data import synthetic_data


def folder_data(root: Path, **options) -> SegmentationData:
    return datamodule_for(Folder)(root=str(root), **{"size": 16, **options})


def only_test(root: Path) -> dict:
    (root / "test").mkdir()
    for name in ("images", "masks"):
        shutil.move(root / name, root / "test" / name)
    return {}


def train_and_test(root: Path) -> dict:
    only_test(root)
    shutil.copytree(root / "test", root / "train")
    return {}


def lists(root: Path, **texts: str | None) -> dict:
    (root / "splits").mkdir()
    for split, text in texts.items():
        if text is not None:
            (root / "splits" / f"{split}.txt").write_text(text)
    return {}


EVERY_ID = "\n".join(f"case{i}" for i in range(10))
LAYOUTS = {
    "test folder": only_test,
    "no val folder": train_and_test,
    "empty lists": lambda root: lists(root, train="\n", val="", test=EVERY_ID),
    "missing lists": lambda root: lists(root, test=EVERY_ID),
    "fractions": lambda root: {"fractions": [0, 0, 1]},
    "fractions as numbers": lambda root: {"fractions": [0.0, 0.0, 1.0]},
}


def test_one_image_needs_no_split_if_all_are_attacked(folder: Path) -> None:
    for path in [*(folder / "images").iterdir(), *(folder / "masks").iterdir()]:
        if path.stem != "case3":
            path.unlink()
    with pytest.raises(InputError, match=r"1 image cannot be split into train, val and test; .* data\.test_split=all"):
        folder_data(folder)
    data = folder_data(folder, test_split="all")
    assert data.test_ids() == ["case3"]
    data.setup("test")
    assert "too few images to be: all of its images are test images" in data.source.notes[0]
    with pytest.raises(InputError, match=r"'train' has no images, because with data\.test_split=all") as raised:
        data.require_training()
    assert "data.fractions" not in str(raised.value)


@pytest.mark.parametrize("split", ["train", "val"])
def test_without_masks_the_reason_is_not_one_that_nobody_gave(folder: Path, split: str) -> None:
    data = folder_data(folder, test_split=split, labels="predicted")
    with pytest.raises(InputError, match=rf"'{split}' has no images, because with data\.labels=pred") as raised:
        data.setup("test")
    assert "data.fractions" not in str(raised.value)
    assert str(raised.value).endswith("data.test_split=test")
    given = folder_data(folder, test_split=split, labels="predicted", fractions=[0, 0, 1])
    with pytest.raises(InputError, match=rf"'{split}' has no images, by data\.fractions=\[0, 0, 1\]"):
        given.setup("test")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_attack_needs_a_test_split_only_and_training_says_what_it_lacks(folder, layout):
    data = folder_data(folder, **LAYOUTS[layout](folder))
    data.setup("test")
    assert len(data.test_ids()) == len(data.test_dataloader().dataset) == 10
    assert len(data.class_pixels()) == 2
    data.setup()  # all that there is
    with pytest.raises(InputError, match=r"the split '(train|val)' has no images.*; training needs train and val"):
        data.setup("fit")


def test_what_is_missing_is_named(folder):
    lists(folder, train=EVERY_ID, val="")
    data = folder_data(folder)
    with pytest.raises(InputError, match=r"split 'val' has no images \(.*val\.txt: lists no images; write one"):
        data.val_dataloader()
    with pytest.raises(
        InputError, match=r"'test' has no images \(.*test\.txt: split file is missing.*data\.test_split=train\Z"
    ):
        data.setup("test")


def test_a_folder_without_a_test_split(folder):
    only_test(folder)
    (folder / "test").rename(folder / "val")
    with pytest.raises(InputError, match=r"there is no folder .*test; give some, or .*, data\.test_split=val\Z"):
        folder_data(folder).setup("test")
    assert len(folder_data(folder, test_split="val").test_dataloader().dataset) == 10


@pytest.mark.parametrize("fractions", [[0.5, 0, 0.5], [0, 0.2, 0.8], [0.9, 0.1, 0]])
def test_a_fraction_of_nothing_is_an_empty_split(folder, fractions):
    counts = [len(ids) for ids in Folder(folder, fractions=fractions).splits().values()]
    assert counts == [round(10 * fraction) for fraction in fractions]


def test_every_image_is_attacked_and_keeps_its_own_split(folder):
    data = folder_data(folder, test_split="all")
    splits = data.splits()
    assert data.test_ids() == [id for split in ("train", "val", "test") for id in splits[split]]
    items = list(data.test_dataloader().dataset)
    assert [item["split"] for item in items] == [split for split in splits for _ in splits[split]]
    assert data.own_split(splits["val"][0]) == "val"
    assert data.own_split("nobody") is None
    assert torch.equal(data.mask(splits["train"][0]), data.mask(splits["train"][0], "train"))
    assert data.fingerprint() == folder_data(folder).fingerprint()


def test_ids_of_several_images_get_the_name_of_their_split(folder):
    train_and_test(folder)
    for path in (folder / "train" / "images").iterdir():
        Image.new("RGB", (32, 24), "red").save(path)
    data = folder_data(folder, test_split="all")
    assert data.test_ids()[0] == "train/case0"
    assert data.test_ids()[-1] == "test/case9"
    items = {item["id"]: item for item in data.test_dataloader().dataset}
    assert len(items) == 20
    assert not torch.equal(items["train/case0"]["image"], items["test/case0"]["image"])


def test_a_file_that_several_splits_share_is_attacked_once(tmp_path):
    for name in ("image_samples", "mask_samples"):
        (tmp_path / name).mkdir()
        for i in (1, 2):
            Image.fromarray(np.full((569, 428), 255, np.uint8)).save(tmp_path / name / f"{i}.png")
    data = datamodule_for(RimOneSamples)(root=str(tmp_path), size=16, test_split="all")
    assert data.test_ids() == ["1", "2"]


def test_training_images_may_be_attacked():
    data = synthetic_data(n_train=3, n_val=1, n_test=1, size=16, test_split="train")
    assert data.test_ids() == data.splits()["train"]
    assert len(data.test_dataloader().dataset) == 3


@pytest.mark.parametrize("layout", ["test folder", "empty lists"])
def test_fractions_beside_a_split_are_refused(folder, layout):
    LAYOUTS[layout](folder)
    with pytest.raises(InputError, match=r"data\.fractions=\[0\.7, 0\.15, 0\.15\]: .* is split already, by .*; leave"):
        Folder(folder, fractions=(0.7, 0.15, 0.15))


def test_a_named_folder_of_lists_and_fractions_are_refused(folder):
    lists(folder, test=EVERY_ID)
    (folder / "splits").rename(folder / "lists")
    with pytest.raises(InputError, match=r"is split already, by the lists of .*lists; leave"):
        Folder(folder, splits="lists", fractions=[0, 0, 1])


@pytest.mark.parametrize("augment", [True, False])
def test_images_need_not_be_square(folder, augment):
    data = folder_data(folder, size=[24, 40], augment=augment)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            assert batch["image"].shape[1:] == (3, 24, 40)
            assert batch["mask"].shape[1:] == batch["valid"].shape[1:] == (24, 40)
    prints = {folder_data(folder, size=size).fingerprint() for size in ([24, 40], [40, 24], 24, 40)}
    assert len(prints) == 4
    assert folder_data(folder, size=[24, 24]).fingerprint() == folder_data(folder, size=24).fingerprint()


@pytest.mark.parametrize("classes", [2, 3])
def test_generated_images_need_not_be_square(classes):
    data = synthetic_data(n_train=2, n_val=1, n_test=2, classes=classes, size=[32, 48])
    data.setup("fit")
    assert data.test_dataloader().dataset[1]["image"].shape == (3, 32, 48)


def test_the_rectangle_is_the_picture_stretched(tmp_path):
    image = np.zeros((20, 10, 3), np.uint8)
    image[:10] = 200
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    for i in range(3):
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray((image[:, :, 0] > 0).astype(np.uint8) * 255).save(tmp_path / "masks" / f"{i}.png")
    item = folder_data(tmp_path, size=[8, 12], test_split="all").test_dataloader().dataset[0]
    assert item["mask"].tolist() == [[1] * 12] * 4 + [[0] * 12] * 4
    assert item["image"][0, 1, 3] == pytest.approx(200 / 255)
