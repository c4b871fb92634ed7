"""Reads the weights of other projects' files without executing anything in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import InputError, first_line

_NESTED = ("state_dict", "model_state_dict", "network_weights", "model", "net")


def read_tensors(path: str | Path, key: str) -> dict[str, Tensor]:
    """Names and tensors of a .safetensors file, or of a PyTorch file, where they may lie one level down.

    Args:
        path: of the file.
        key: of the configuration that names it, for messages.

    Raises:
        InputError: no such file, or one that holds something else than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{key}={path}: no such file")
    try:
        contents = _read(path)
    except Exception as error:  # any bytes may come here, and the readers raise many things at them
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
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        lines = [" ".join(line.split()) for line in str(error).splitlines()[1:2]] or [first_line(error)]
        raise InputError(f"{where}: the weights do not fit the {type(network).__name__}: {lines[0][:200]}") from error


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    # nnU-Net keeps numbers of its training log as NumPy scalars, which hold no code.
    with torch.serialization.safe_globals(_numpy_scalars()):
        return torch.load(path, map_location="cpu", weights_only=True)


def _numpy_scalars() -> list[Any]:
    import numpy as np
    from numpy._core.multiarray import scalar

    # Under both of the names that versions of NumPy have written.
    return [
        *(scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype),
        *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)),
    ]
