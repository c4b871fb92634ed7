"""A checkpoint is there whole or not at all, and is read without executing anything."""

from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from benchmark.victims.checkpoint_io import AtomicCheckpointIO, validation_iou


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


def test_a_score_that_no_training_writes_is_unknown(trained: Path, tmp_path: Path) -> None:
    best = trained / "checkpoints" / "best.ckpt"
    contents = torch.load(best, weights_only=True)
    assert validation_iou(best) is not None
    for number, score in enumerate((7, None, "high", [1], float("nan"), torch.ones(2), torch.tensor(-1.0))):
        contents["callbacks"] = {"ModelCheckpoint": {"monitor": "val/iou", "current_score": score}}
        torch.save(contents, file := tmp_path / f"{number}.ckpt")
        assert validation_iou(file) is None, score
    contents["callbacks"] = 3
    torch.save(contents, file := tmp_path / "other.ckpt")
    assert validation_iou(file) is None
