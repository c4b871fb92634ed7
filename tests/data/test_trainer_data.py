"""The data that a callback finds at its trainer."""

import pytest
import pytorch_lightning as pl

from benchmark.data.datamodule import SegmentationData
from benchmark.data.synthetic import Synthetic
from benchmark.data.trainer_data import data_of
from benchmark.errors import InputError


@pytest.fixture
def trainer() -> pl.Trainer:
    return pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)


def test_a_trainer_without_data_is_refused(trainer: pl.Trainer) -> None:
    with pytest.raises(InputError, match=r"the trainer has no datamodule; give it a SegmentationData"):
        data_of(trainer)


def test_other_data_are_refused(trainer: pl.Trainer) -> None:
    trainer.datamodule = pl.LightningDataModule()  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"has a datamodule of type LightningDataModule; give it a SegmentationData"):
        data_of(trainer)


def test_ours_is_found(trainer: pl.Trainer) -> None:
    data = SegmentationData(Synthetic(n_train=2, n_val=1, n_test=1), size=32)
    trainer.datamodule = data  # type: ignore[attr-defined]
    assert data_of(trainer) is data
