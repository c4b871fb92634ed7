"""The data module over generated and file sources: its splits, items, masks and fingerprint."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from benchmark.data.datamodule_factory import datamodule_for
from benchmark.data.folder import Folder
from benchmark.errors import InputError
from tests.data.loaded_items import SMALL, items_of, train_epoch
from tests.synthetic_data import synthetic_data


def test_attributes():
    data = synthetic_data(**SMALL, classes=3)
    assert isinstance(data, pl.LightningDataModule)
    assert (data.name, data.classes, data.background, data.channels, data.size) == ("synthetic", 3, 0, 3, 32)
    assert data.class_names == ("background", "disc", "cup")


def test_test_loader_has_every_image_once_in_file_order():
    data = synthetic_data(**SMALL)
    assert list(items_of(data.test_dataloader())) == data.test_ids() == data.splits()["test"]
    assert [len(batch["id"]) for batch in data.test_dataloader()] == [2, 2, 1]


def test_items_always_say_what_is_valid():
    batch = next(iter(synthetic_data(**SMALL).test_dataloader()))
    assert batch["valid"].shape == batch["mask"].shape == (2, 32, 32)
    assert bool(batch["valid"].all())
    assert batch["group"] == ["", ""]


def test_mask_is_what_the_loader_yields():
    data = synthetic_data(**SMALL)
    for id, (_, mask) in items_of(data.test_dataloader()).items():
        assert torch.equal(data.mask(id), mask)
    for id, (_, mask) in items_of(data.val_dataloader()).items():
        assert torch.equal(data.mask(id, "val"), mask)


def test_mask_of_an_unknown_id():
    data = synthetic_data(**SMALL)
    with pytest.raises(InputError, match="synthetic: no image 'val_00000' in the split 'test'"):
        data.mask("val_00000")


def test_attacking_validation_images_leaves_test_images_alone():
    data = synthetic_data(**SMALL, test_split="val")
    data.setup("test")
    ids = data.splits()["val"]
    assert list(items_of(data.test_dataloader())) == data.test_ids() == ids
    assert torch.equal(data.mask(ids[0]), data.mask(ids[0], "val"))


def test_setup_decodes_once(monkeypatch):
    data = synthetic_data(**SMALL)
    data.setup("fit")
    monkeypatch.setattr(data.source, "read", lambda split, id: pytest.fail(f"{split} {id} was read again"))
    data.setup("fit")
    data.setup("validate")
    assert len(train_epoch(data, 0)) == 6


@pytest.mark.parametrize("augmented", [True, False])
def test_images_are_on_the_8_bit_grid(folder, augmented):
    data = datamodule_for(Folder)(root=str(folder), size=17, augment=augmented)
    for loader in (data.train_dataloader(), data.test_dataloader()):
        for batch in loader:
            levels = batch["image"] * 255
            assert batch["image"].min() >= 0
            assert batch["image"].max() <= 1
            assert torch.equal(levels.round() / 255, batch["image"])
            assert batch["image"].shape[2:] == batch["mask"].shape[1:] == (17, 17)


def test_results_do_not_depend_on_the_cache(folder):
    cached, bare = (datamodule_for(Folder)(root=str(folder), size=16, cache_mb=mb) for mb in (64, 0))
    for a, b in (
        (train_epoch(cached, 1), train_epoch(bare, 1)),
        (items_of(cached.test_dataloader()), items_of(bare.test_dataloader())),
    ):
        assert list(a) == list(b)
        assert all(torch.equal(a[id][k], b[id][k]) for id in a for k in (0, 1))


def test_fingerprint_depends_on_files_and_size_not_on_loading(folder):
    def fingerprint(**options):
        return datamodule_for(Folder)(root=str(folder), **{"size": 16, **options}).fingerprint()

    first = fingerprint()
    assert fingerprint(batch_size=3, augment=False, seed=5) == first
    assert fingerprint(size=17) != first
    path = folder / "masks" / "case0.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert fingerprint() != first


def test_all_empty_split_of_files(folder):
    for id in Folder(folder).splits()["val"]:
        Image.fromarray(np.zeros((24, 32), np.uint8)).save(folder / "masks" / f"{id}.png")
    data = datamodule_for(Folder)(root=str(folder), size=16)
    with pytest.raises(InputError, match="no mask of the split 'val'"):
        data.setup("fit")


def test_nothing_is_printed_or_written(folder, capfd):
    before = sorted(folder.rglob("*"))
    datamodule_for(Folder)(root=str(folder), size=16).setup()
    assert capfd.readouterr() == ("", "")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"data\.batch_size=0: must be at least 1"),
        ({"num_workers": -1}, r"data\.num_workers=-1"),
        ({"test_split": "tets"}, r"data\.test_split='tets': must be train, val, test or all, did you mean test\?"),
        ({"test_split": None}, r"data\.test_split=None: must be train, val, test or all"),
        *(
            ({"size": size}, r"data\.size=.*: must be a whole number of pixels, or \[height,width\]")
            for size in ("64x32", [64, 32, 3], [], [64.0, 32], True, 64.5, {"height": 64})
        ),
        *(({"size": size}, r"data\.size=.*: must be at least 8") for size in (0, [64, 7], [-8, 64])),
        ({"size": [64, 9000]}, r"data\.size=.*: must be at most 8192"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(InputError, match=message):
        synthetic_data(**SMALL | options)


def test_unknown_split():
    data = synthetic_data(**SMALL)
    with pytest.raises(InputError, match="split 'testing': must be one of train, val, test"):
        data.mask("test_00000", "testing")


@pytest.mark.parametrize("size", [[24], (24,)])
def test_one_side_in_brackets_is_no_square(size) -> None:
    with pytest.raises(InputError) as raised:
        synthetic_data(n_test=2, size=size)
    assert str(raised.value) == (
        "data.size=[24]: is one side; give data.size=24 for a square, or 'data.size=[height,width]'"
    )
