"""Checkpoints that ask for memory, time or files which they do not hold are refused in one line and at once."""

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims.checkpoint_io import AtomicCheckpointIO
from benchmark.victims.loading import load_victim
from tests.victims.fitted_victims import altered


def _nested(times: int) -> Any:
    value: Any = 1
    for _ in range(times):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            {"hyper_parameters": {"options": {"encoder_depth": 2, "decoder_channels": [65536] * 2}}},
            "describes a network of",
        ),
        ({"hyper_parameters": {"options": _nested(40)}}, "holds more than 10000 values"),
        ({"hyper_parameters": {"channels": 10**9}}, "a victim takes 1 to 64"),
        ({"hyper_parameters": {"classes": 10**6}}, "at most 255 classes"),
        ({"hyper_parameters": {"input_size": 10**6}}, r"victim\.input_size=1000000 must be"),
        ({"hyper_parameters": {"stride": 10**9}}, r"victim\.stride=1000000000 must be"),
        ({"hyper_parameters": {"deployment": {"resize": [10**6, 10**6]}}}, "a number of pixels up to 8192"),
        ({"hyper_parameters": {"encoder": "tu-hf-hub:someone/model"}}, "unknown encoder"),
        ({"hyper_parameters": {"encoder": "tu-local-dir:/etc"}}, "unknown encoder"),
        ({"hyper_parameters": {"options": {"checkpoint_path": "/etc/passwd"}}}, "unknown option"),
        ({"hyper_parameters": {"options": {"decoder_channels": [-1, 2, 3, 4, 5]}}}, "cannot build|no victim has"),
        ({"state_dict": {"network.encoder.bn1.weight": torch.ones(1).expand(10**6, 10**6)}}, "claims numbers"),
        ({"state_dict": {"network.encoder.bn1.weight": torch.ones(4).to_sparse()}}, "claims numbers"),
    ],
)
def test_a_checkpoint_that_asks_for_more_than_it_holds(checkpoint: Path, entries: dict[str, Any], message: str) -> None:
    path = altered(checkpoint, **entries)
    began = time.monotonic()
    with pytest.raises(InputError, match=message) as raised:
        load_victim(path)
    assert time.monotonic() - began < 5
    assert "\n" not in str(raised.value)


def test_a_checkpoint_that_inflates_is_refused(checkpoint: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(checkpoint) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, bytes(2 * 10**8) if name.endswith("data/0") else old.read(name))
    checkpoint.write_bytes(content.getvalue())
    with pytest.raises(InputError, match="bytes would become"):
        load_victim(checkpoint)


@pytest.mark.parametrize("size", [2**40, 10**9])
def test_a_sparse_file_is_refused(checkpoint: Path, size: int) -> None:
    with checkpoint.open("wb") as file:
        file.write(b"PK\3\4")
        file.truncate(size)
    began = time.monotonic()
    with pytest.raises(InputError, match="is no readable PyTorch checkpoint"):
        load_victim(checkpoint)
    assert time.monotonic() - began < 5


def test_a_checkpoint_cannot_have_files_of_others_removed(tmp_path: Path) -> None:
    """Lightning removes earlier checkpoints, whose paths it takes from the one it goes on with."""
    folder, other = tmp_path / "run" / "checkpoints", tmp_path / "other.ckpt"
    folder.mkdir(parents=True)
    mine = folder / "best.ckpt"
    for path in (other, mine):
        path.write_bytes(b"")
    plugin = AtomicCheckpointIO(folder)
    for path in (other, folder / ".." / ".." / "other.ckpt", folder, folder.parent, "s3://bucket/best.ckpt", mine):
        plugin.remove_checkpoint(path)
    assert other.exists()
    assert folder.exists()
    assert not mine.exists()
