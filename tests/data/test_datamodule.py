"""The data module over generated and file sources, its loaders, and the YAML files that build it."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmark.config.build import build_data
from benchmark.data.datamodule import datamodule_for
from benchmark.data.folder import Folder
from benchmark.errors import InputError
from tests.synthetic_data import synthetic_data

CONF = Path(__file__).resolve().parents[2] / "conf" / "data"
SMALL = {"n_train": 7, "n_val": 3, "n_test": 5, "size": 32, "batch_size": 2}


def _items(loader):
    return {
        id: (image, mask)
        for batch in loader
        for id, image, mask in zip(batch["id"], batch["image"], batch["mask"], strict=True)
    }


def _epoch(data, epoch, **options):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return _items(loader)


def test_attributes():
    data = synthetic_data(**SMALL, classes=3)
    assert isinstance(data, pl.LightningDataModule)
    assert (data.name, data.classes, data.background, data.channels, data.size) == ("synthetic", 3, 0, 3, 32)
    assert data.class_names == ("background", "disc", "cup")


def test_test_loader_has_every_image_once_in_file_order():
    data = synthetic_data(**SMALL)
    assert list(_items(data.test_dataloader())) == data.test_ids() == data.splits()["test"]
    assert [len(batch["id"]) for batch in data.test_dataloader()] == [2, 2, 1]


def test_items_always_say_what_is_valid():
    batch = next(iter(synthetic_data(**SMALL).test_dataloader()))
    assert batch["valid"].shape == batch["mask"].shape == (2, 32, 32)
    assert bool(batch["valid"].all())
    assert batch["group"] == ["", ""]


def test_mask_is_what_the_loader_yields():
    data = synthetic_data(**SMALL)
    for id, (_, mask) in _items(data.test_dataloader()).items():
        assert torch.equal(data.mask(id), mask)
    for id, (_, mask) in _items(data.val_dataloader()).items():
        assert torch.equal(data.mask(id, "val"), mask)


def test_mask_of_an_unknown_id():
    data = synthetic_data(**SMALL)
    with pytest.raises(InputError, match="synthetic: no image 'val_00000' in the split 'test'"):
        data.mask("val_00000")


def test_attacking_validation_images_leaves_test_images_alone():
    data = synthetic_data(**SMALL, test_split="val")
    data.setup("test")
    ids = data.splits()["val"]
    assert list(_items(data.test_dataloader())) == data.test_ids() == ids
    assert torch.equal(data.mask(ids[0]), data.mask(ids[0], "val"))


def test_setup_decodes_once(monkeypatch):
    data = synthetic_data(**SMALL)
    data.setup("fit")
    monkeypatch.setattr(data.source, "read", lambda split, id: pytest.fail(f"{split} {id} was read again"))
    data.setup("fit")
    data.setup("validate")
    assert len(_epoch(data, 0)) == 6


def test_last_short_batch_is_dropped_in_training_only():
    assert [len(b["id"]) for b in synthetic_data(**SMALL).train_dataloader()] == [2, 2, 2]
    assert [len(b["id"]) for b in synthetic_data(**SMALL | {"batch_size": 9}).train_dataloader()] == [7]


def test_one_training_image_is_an_error():
    data = synthetic_data(**SMALL | {"n_train": 1})
    with pytest.raises(InputError, match="needs 2 training images for each process, found 1 for 1"):
        data.train_dataloader()


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


def test_training_items_depend_on_neither_workers_nor_order():
    options = SMALL | {"batch_size": 3}
    alone, working = synthetic_data(**options), synthetic_data(**options, num_workers=2)
    loader = working.train_dataloader()
    for epoch in (0, 1, 4):  # the workers persist, and must hear of each epoch
        loader.sampler.set_epoch(epoch)
        expected, found = _epoch(alone, epoch), _items(loader)
        assert list(found) == list(expected)
        for id in expected:
            assert torch.equal(found[id][0], expected[id][0])
            assert torch.equal(found[id][1], expected[id][1])


def test_lightning_announces_the_epochs():
    class Spy(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = torch.nn.Linear(1, 1), []

        def training_step(self, batch, index):
            self.seen += [(self.current_epoch, id) for id in batch["id"]]
            return self.layer(batch["image"].mean().reshape(1, 1)).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    data, spy = synthetic_data(**SMALL), Spy()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    pl.Trainer(max_epochs=2, accelerator="cpu", limit_val_batches=0, **quiet).fit(spy, datamodule=data)
    assert spy.seen == [(epoch, id) for epoch in (0, 1) for id in _epoch(data, epoch)]


def test_results_do_not_depend_on_the_cache(folder):
    cached, bare = (datamodule_for(Folder)(root=str(folder), size=16, cache_mb=mb) for mb in (64, 0))
    for a, b in (
        (_epoch(cached, 1), _epoch(bare, 1)),
        (_items(cached.test_dataloader()), _items(bare.test_dataloader())),
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
        ({"test_split": "train"}, r"data\.test_split='train': must be 'test' or 'val'"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(InputError, match=message):
        synthetic_data(**SMALL | options)


def test_unknown_split():
    data = synthetic_data(**SMALL)
    with pytest.raises(InputError, match="split 'testing': must be one of train, val, test"):
        data.mask("test_00000", "testing")


def _from_yaml(name, **changes):
    shared = OmegaConf.load(CONF / "_base.yaml")
    own = OmegaConf.load(CONF / f"{name}.yaml")
    own.pop("defaults", None)
    root = OmegaConf.create({"seed": 5, "data": OmegaConf.merge(shared, own)})
    root.data.merge_with(changes)
    return build_data(root.data)


def test_synthetic_yaml():
    data = _from_yaml("synthetic", n_train=4, classes=3)
    assert (len(data.splits()["train"]), data.classes, data.size, data.seed, data.source.seed) == (4, 3, 64, 5, 5)


def test_folder_yaml(folder):
    data = _from_yaml("folder", root=str(folder), encoding={"0": 0, "255": 1}, size=16)
    assert (data.name, data.classes, data.size, data.seed) == (folder.name, 2, 16, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sise": 16}, "unknown key 'data.sise', did you mean data.size?; keys are data.root, data.images, "),
        ({"root": 5}, "data.root=5: must be text"),
        ({"split_seed": "x"}, "data.split_seed='x': must be a whole number"),
        ({"batch_size": 2.5}, "data.batch_size=2.5: must be a whole number"),
        (
            {"_target_": "benchmark.data.drawing.fundus"},
            "data._target_: fundus is no data source; name a class such as",
        ),
    ],
)
def test_a_section_that_neither_the_source_nor_its_loaders_take(folder, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        _from_yaml("folder", **{"root": str(folder), **changes})


def test_a_key_without_a_value_is_named():
    with pytest.raises(InputError, match="data: missing a required argument: 'root'"):
        build_data(OmegaConf.create({"_target_": "benchmark.data.ph2.PH2", "size": 16}))


def test_isic_yaml(isic):
    data = _from_yaml("isic2018", root=str(isic), test_split="val")
    assert (data.name, data.size, data.test_ids()) == ("isic2018", 128, ["ISIC_0000004", "ISIC_0000005"])


def test_several_processes_train_on_equal_shares_and_validate_on_all_images():
    """None waits for a batch that another does not have; every validation image is seen once."""
    trained: list[list[str]] = []
    validated: list[str] = []
    for rank in range(3):
        data = synthetic_data(**SMALL | {"n_train": 8, "n_val": 4, "augment": False, "batch_size": 2})
        data.trainer = SimpleNamespace(global_rank=rank, world_size=3)
        data.setup("fit")
        trained.append([name for batch in data.train_dataloader() for name in batch["id"]])
        validated += [name for batch in data.val_dataloader() for name in batch["id"]]
    assert [len(share) for share in trained] == [2, 2, 2]
    assert len({name for share in trained for name in share}) == 6
    assert sorted(validated) == [f"val_{i:05d}" for i in range(4)]


def test_where_processes_outnumber_validation_images_each_takes_all():
    data = synthetic_data(**SMALL | {"n_val": 2})
    data.trainer = SimpleNamespace(global_rank=2, world_size=3)
    data.setup("fit")
    assert [name for batch in data.val_dataloader() for name in batch["id"]] == ["val_00000", "val_00001"]
