"""Reads weights from files of other projects, without executing anything in them, and loads weights into networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, first_line
from benchmark.regular_files import open_regular
from benchmark.runs.archives import check_archive
from benchmark.victims.checkpoint_io import check_tensors

_NESTED = ("state_dict", "model_state_dict", "network_weights", "model", "net")


def read_tensors(path: str | Path, key: str) -> dict[str, Tensor]:
    """Names and tensors of a .safetensors file, or of a PyTorch file, where they may lie one level down.

    Raises:
        InputError: no such file, or one that holds other things than tensors and plain values. The message names `key`,
            the key of the configuration that names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{key}={path}: no such file")
    try:
        contents = _read(path)
    except Exception as error:  # a file of any bytes raises errors of many types
        raise InputError(
            f"{key}={path}: cannot be read as weights without executing code ({first_line(error)}); "
            "save the state_dict alone, best as .safetensors"
        ) from error
    for name in _NESTED:
        if isinstance(contents, Mapping) and isinstance(contents.get(name), Mapping):
            contents = contents[name]
            break
    if not isinstance(contents, Mapping) or not contents or not all(isinstance(v, Tensor) for v in contents.values()):
        raise InputError(f"{key}={path}: holds no names and tensors; save the network's state_dict")
    return {str(name).removeprefix("module."): value for name, value in contents.items()}


def put_into(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Load all tensors into the network. Raises InputError, with `where` at its start, if they do not fit."""
    try:
        network.load_state_dict(tensors)
    except (RuntimeError, TypeError, AttributeError) as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines()[1:2]] or [first_line(error)]
        raise InputError(f"{where}: the weights do not fit the {type(network).__name__}: {lines[0][:200]}") from error


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import numpy as np
    from numpy._core.multiarray import scalar

    # nnU-Net's checkpoints hold NumPy scalars, which are no code, under the name of either version of NumPy.
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    safe: list[Any] = [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]
    with open_regular(path) as file, torch.serialization.safe_globals(safe):
        if file.read(4) == b"PK\3\4":
            check_archive(file)
        file.seek(0)
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    check_tensors(tensors)
    return tensors
