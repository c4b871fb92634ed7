"""The checkpoint of a small victim, fitted once."""

from pathlib import Path

import pytest
import pytorch_lightning as pl

from tests.victims.fitted_victims import fitted


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.LightningModule, bytes]:
    victim, path = fitted(tmp_path_factory.mktemp("fitted"))
    return victim, path.read_bytes()


@pytest.fixture
def checkpoint(original: tuple[pl.LightningModule, bytes], tmp_path: Path) -> Path:
    path = tmp_path / "victim.ckpt"
    path.write_bytes(original[1])
    return path
