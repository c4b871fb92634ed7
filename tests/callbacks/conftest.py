"""A small victim, small data and a plan, for callbacks under a real Trainer."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from benchmark.attacks.asma import ASMA
from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.data.synthetic import datamodule
from benchmark.evaluation.plan import Attack, Plan
from benchmark.targets import OtherImage
from benchmark.victims.task import Victim


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 2, 3, padding=1))


@pytest.fixture
def victim() -> Victim:
    return Victim("python", encoder=None, schedule="none", network=network())


@pytest.fixture
def data() -> SegmentationData:
    """Five test images in batches of two."""
    return datamodule(n_train=4, n_val=3, n_test=5, size=16, batch_size=2)


@pytest.fixture
def plan() -> Plan:
    """Two attacks in float64, three images at once."""
    attacks = {"one": Attack(ASMA(1e-2, 1e-1), max_steps=3), "two": Attack(ASMA(1e-1, 1), max_steps=2, stop=False)}
    return Plan(attacks, OtherImage(0), Criterion(), {"slots": 3, "precision": 64}, seed=0)


@pytest.fixture
def make_trainer(tmp_path: Path):
    def make(*callbacks: pl.Callback, **options: Any) -> pl.Trainer:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        return pl.Trainer(
            accelerator="cpu",
            devices=1,
            callbacks=list(callbacks),
            default_root_dir=tmp_path,
            enable_model_summary=False,
            **(quiet | options),
        )

    return make
