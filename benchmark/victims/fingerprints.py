"""Hashes that identify victims and checkpoints."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from benchmark.errors import InputError
from benchmark.model_errors import as_call_error
from benchmark.regular_files import file_sha256
from benchmark.victims.checkpoint_io import LARGEST
from benchmark.victims.task import Victim

_PLAIN = (bool, int, float, str, bytes)


def checkpoint_sha256(path: str | Path) -> str:
    """SHA-256 of the file, in hexadecimal. Raises InputError if it cannot be read."""
    try:
        if (size := Path(path).stat().st_size) > LARGEST:  # a file without contents may say any size
            raise InputError(f"cannot read checkpoint {path}: it has {size} bytes, at most {LARGEST} are read")
        return file_sha256(Path(path))
    except OSError as error:
        raise InputError(f"cannot read checkpoint {path}: {error.strerror}; check victim.ckpt") from error


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of a module's parameters and buffers, in hexadecimal.

    Of the extra state that a module may save, tensors count, and so do numbers and text.
    """
    with as_call_error(module, "its state_dict() is read"):
        state = module.state_dict()
    return tensors_sha256(state)


def tensors_sha256(state: Mapping[str, Any]) -> str:
    """As `weights_sha256`, for a module's state_dict."""
    digest = hashlib.sha256()
    for name, tensor in _leaves(state):
        if not isinstance(tensor, Tensor):
            digest.update(f"{name} {tensor!r} ".encode())
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _leaves(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of what counts, sorted by the names of the state; a value may hold several of one name."""
    for name, value in sorted(state.items()):
        for leaf in tree_leaves(value):
            if isinstance(leaf, (Tensor, *_PLAIN)):
                yield name, leaf


def program_sha256(victim: Victim) -> str | None:
    """SHA-256 of the file that the network's program was read from; None for other networks."""
    sha256: str | None = getattr(victim.network, "program_sha256", None)
    return sha256


def victim_sha256(victim: Victim) -> str:
    """A hash of the weights, of the deployment and of the program; that of the weights alone where there is no more.

    A program's tensors do not say what it computes with them: two files with the same ones may be two networks.
    """
    weights, deployment, program = weights_sha256(victim), victim.hparams["deployment"], program_sha256(victim)
    parts = [
        weights,
        *([json.dumps(deployment, sort_keys=True)] if deployment else []),
        *([program] if program else []),
    ]
    return weights if len(parts) == 1 else hashlib.sha256(" ".join(parts).encode()).hexdigest()
