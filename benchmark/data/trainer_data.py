"""The data that a trainer was started with."""

import pytorch_lightning as pl

from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError


def data_of(trainer: pl.Trainer) -> SegmentationData:
    """The trainer's datamodule.

    Raises:
        InputError: the trainer has none, or one that is not a `SegmentationData`.
    """
    data = getattr(trainer, "datamodule", None)
    if not isinstance(data, SegmentationData):
        given = "no datamodule" if data is None else f"a datamodule of type {type(data).__name__}"
        raise InputError(f"the trainer has {given}; give it a SegmentationData: trainer.test(victim, datamodule=data)")
    return data
