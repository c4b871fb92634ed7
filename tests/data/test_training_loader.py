"""What is trained on in an epoch depends on the seed alone: not on workers, order, or the number of processes."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from benchmark.errors import InputError
from tests.data.loaded_items import SMALL, items_of, train_epoch
from tests.synthetic_data import synthetic_data


def test_last_short_batch_is_dropped_in_training_only():
    assert [len(b["id"]) for b in synthetic_data(**SMALL).train_dataloader()] == [2, 2, 2]
    assert [len(b["id"]) for b in synthetic_data(**SMALL | {"batch_size": 9}).train_dataloader()] == [7]


def test_one_training_image_is_an_error():
    data = synthetic_data(**SMALL | {"n_train": 1})
    with pytest.raises(InputError, match="needs 2 training images for each process, found 1 for 1"):
        data.train_dataloader()


def test_training_items_depend_on_neither_workers_nor_order():
    options = SMALL | {"batch_size": 3}
    alone, working = synthetic_data(**options), synthetic_data(**options, num_workers=2)
    loader = working.train_dataloader()
    for epoch in (0, 1, 4):  # the workers persist, and must hear of each epoch
        loader.sampler.set_epoch(epoch)
        expected, found = train_epoch(alone, epoch), items_of(loader)
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
    assert spy.seen == [(epoch, id) for epoch in (0, 1) for id in train_epoch(data, epoch)]


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
