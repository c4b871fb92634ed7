"""The one place where checkpoints are opened and written. No pickled object of a checkpoint is ever loaded."""

import os
import pickle
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError, first_line
from benchmark.regular_files import open_regular
from benchmark.runs.archives import check_archive, check_contents
from benchmark.runs.limited_text import check_plain
from benchmark.victims.task import HYPER_PARAMETERS

LARGEST = 2**34
"""Bytes of a checkpoint, at most."""

_MOST_VALUES = 10_000  # in the hyper-parameters


class _UnreadableError(InputError):
    """A file that is damaged, or that claims what it does not hold."""


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hyper-parameters and the weights of a victim's checkpoint, on the CPU.

    Raises:
        InputError: the file is missing, is damaged, holds objects beyond tensors and plain values, or is no checkpoint
            of a victim.
    """
    from benchmark.victims.other_files import explained  # it reads weights, which are checked here

    try:
        checkpoint = _load(Path(path))
        saved, weights = checkpoint.get("hyper_parameters"), checkpoint.get("state_dict")
        if not isinstance(saved, dict) or not isinstance(weights, dict) or not saved.keys() <= HYPER_PARAMETERS:
            raise InputError(f"{path} is a checkpoint of something else than a victim; give one that `train` wrote")
    except _UnreadableError as error:
        raise explained(Path(path), error, damaged=True) from error
    except InputError as error:
        raise explained(Path(path), error) from error
    return saved, weights


def validation_iou(path: str | Path) -> float | None:
    """The IoU that validation measured of a checkpoint's weights, as it remembers; None if it does not.

    Raises InputError as `read_checkpoint`.
    """
    callbacks = _load(Path(path)).get("callbacks")
    for state in callbacks.values() if isinstance(callbacks, dict) else ():
        if isinstance(state, dict) and state.get("monitor") == "val/iou":
            with suppress(ValueError, TypeError):  # what a stranger wrote in its place
                check_tensors({"current_score": (score := state.get("current_score", "unknown"))})
                return value if 0 <= (value := float(score)) <= 1 else None
    return None


def save_checkpoint(hyper_parameters: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path) -> None:
    """Write a victim's checkpoint, which `victim.ckpt` takes, completely or not at all."""
    contents = {"state_dict": dict(weights), "hyper_parameters": dict(hyper_parameters)}
    AtomicCheckpointIO().save_checkpoint(contents | {"pytorch-lightning_version": pl.__version__}, path)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's plugin for checkpoints; it writes a checkpoint completely or not at all.

    What it reads may come from a stranger: no pickled object is loaded, and only files in `folder` are removed, which
    a checkpoint could otherwise choose.
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__()
        self._folder = folder

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # Given a path, torch would not say why it could not write.
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint, to the CPU. Raises InputError as `read_checkpoint` does."""
        return _load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint in the folder; other files stay."""
        file = Path(path)
        if self._folder is not None and file.resolve().parent == self._folder.resolve() and file.is_file():
            file.unlink()


def _load(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, of plain values and tensors of the file's own bytes."""
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}; check victim.ckpt")
    try:
        with open_regular(path) as file:
            # torch's older forms are no archives; one of them is unpacked beside the program before it is refused.
            if (start := file.read(4)) != b"PK\3\4":
                if start.startswith(b"\x80"):  # pickles of protocol 2 and later
                    raise InputError(_refusal(path, ""))
                raise InputError(f"{path} is not a PyTorch checkpoint; give a .ckpt that `train` wrote")
            if (size := file.seek(0, os.SEEK_END)) > LARGEST:
                raise ValueError(f"{size} bytes; at most {LARGEST} are read")
            check_archive(file)
            check_contents(file)  # torch would load damaged weights without a word
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(checkpoint, dict):
            raise InputError(f"{path} holds a {type(checkpoint).__name__}, not the checkpoint of a victim")
        saved = checkpoint.get("hyper_parameters")
        if not isinstance(saved, dict) or saved.keys() <= HYPER_PARAMETERS:  # those of others are not used
            check_plain(saved, most=_MOST_VALUES)
        check_tensors(checkpoint.get("state_dict"))
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(_refusal(path, str(error))) from error
    except Exception as error:  # a file of any bytes raises errors of many types
        raise _UnreadableError(
            f"{path} is no readable PyTorch checkpoint ({first_line(error)}); is it complete?"
        ) from error
    return checkpoint


def check_tensors(tensors: Any) -> None:
    """Raise ValueError unless all tensors of a mapping are as large as they claim, in this machine's memory."""
    for name, value in tensors.items() if isinstance(tensors, Mapping) else ():
        if not isinstance(name, str):
            raise ValueError(f"it has a {type(name).__name__} as a name of a tensor")
        if not isinstance(value, Tensor):
            continue
        plain = value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized
        if not plain or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f"its tensor {name[:100]!r} claims numbers that the file does not hold")


def _refusal(path: Path, message: str) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", message)
    return (
        f"{path} is refused: it holds {named.group(1) if named else 'objects'} beyond tensors and plain values, and "
        "loading that would execute code; give a .ckpt that `train` wrote"
    )
