"""A checkpoint is there whole or not at all, and is read without executing anything."""

from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from benchmark.victims.checkpoint_io import AtomicCheckpointIO


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 3, "state_dict": {"w": torch.ones(2)}}, path)
    loaded = torch.load(path, weights_only=True)
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["state_dict"]["w"], torch.ones(2))
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_a_failure_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 3}, path)

    def half(checkpoint: Any, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="no space left"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 4}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 3}
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]
