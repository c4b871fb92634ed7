"""By what victims and checkpoints are known again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims.task import Victim


def checkpoint_sha256(path: str | Path) -> str:
    """SHA-256 of the file, in hexadecimal.

    Raises:
        InputError: no such file.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read checkpoint {path}: {error.strerror}; check victim.ckpt") from error


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of a module's parameters and buffers, in hexadecimal."""
    return tensors_sha256(module.state_dict())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """The same of a module's state_dict."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def victim_sha256(victim: Victim) -> str:
    """What tells two victims apart: `weights_sha256`, and where something is done around the network, that too."""
    weights, around = weights_sha256(victim), victim.hparams["deployment"]
    if not around:
        return weights
    return hashlib.sha256(f"{weights} {json.dumps(around, sort_keys=True)}".encode()).hexdigest()
