"""The one place where checkpoints are opened and written. No pickled object of a checkpoint is ever loaded."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError, first_line
from benchmark.victims.task import HYPER_PARAMETERS


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hyper-parameters and the weights of a victim's checkpoint, on the CPU.

    Raises:
        InputError: the file is missing, is damaged, holds objects beyond tensors and plain values, or is no checkpoint
            of a victim.
    """
    checkpoint = _load(Path(path))
    saved, weights = checkpoint.get("hyper_parameters"), checkpoint.get("state_dict")
    if not isinstance(saved, dict) or not isinstance(weights, dict) or not saved.keys() <= HYPER_PARAMETERS:
        raise InputError(f"{path} is a checkpoint of something else than a victim; give one that `train` wrote")
    return saved, weights


def save_checkpoint(hyper_parameters: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path) -> None:
    """Write a victim's checkpoint, which `victim.ckpt` takes, completely or not at all."""
    contents = {"state_dict": dict(weights), "hyper_parameters": dict(hyper_parameters)}
    AtomicCheckpointIO().save_checkpoint(contents | {"pytorch-lightning_version": pl.__version__}, path)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's plugin for checkpoints; it writes a checkpoint completely or not at all."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(Path(path)) as temporary:
            torch.save(checkpoint, temporary)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}; check victim.ckpt")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, str(error))) from error
    except Exception as error:  # a file of any bytes raises errors of many types
        raise InputError(f"{path} is no readable PyTorch checkpoint ({first_line(error)}); is it complete?") from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"{path} holds a {type(checkpoint).__name__}, not the checkpoint of a victim")
    return checkpoint


def _refusal(path: Path, message: str) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", message)
    with path.open("rb") as file:
        start = file.read(2)
    # torch's archives, and pickles of protocol 2 and later
    if named is None and start != b"PK" and not start.startswith(b"\x80"):
        return f"{path} is not a PyTorch checkpoint; give a .ckpt that `train` wrote"
    what = named.group(1) if named else "objects"
    return (
        f"{path} is refused: it holds {what} beyond tensors and plain values, and loading that would execute code; "
        "give a .ckpt that `train` wrote"
    )
