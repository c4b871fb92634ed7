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
from benchmark.victims.weight_names import fitted_names, misfit

_DEEPEST = 3  # mappings within each other in which weights are looked for


def read_tensors(path: str | Path, key: str, entry: str | None = None) -> dict[str, Tensor]:
    """Names and tensors of a .safetensors file, or of a PyTorch file, where they may lie in a mapping of their own.

    Args:
        path: of the file.
        key: of the configuration that names the file, for messages.
        entry: the place of the weights in the file, such as "ema_state_dict", or "model" for all names that begin with
            "model."; steps are parted by dots. None: the only weights that the file has.

    Raises:
        InputError: no such file, one that holds other things than tensors and plain values, no weights at `entry`, or
            several sets of weights of which none is chosen.
    """
    return tensors_of(read_contents(path, key), f"{key}={path}", entry)


def read_contents(path: str | Path, key: str) -> Any:
    """What a .safetensors file, or a PyTorch file of tensors and plain values, holds. Raises as `read_tensors` does."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{key}={path}: no such file")
    try:
        return _read(path)
    except Exception as error:  # a file of any bytes raises errors of many types
        raise InputError(
            f"{key}={path}: cannot be read as weights without executing code ({first_line(error)}); "
            "save the state_dict alone, best as .safetensors"
        ) from error


def tensors_of(contents: Any, where: str, entry: str | None = None) -> dict[str, Tensor]:
    """The names and tensors among the contents of a file; `where` begins messages. All else is as in `read_tensors`."""
    sets = weight_sets(contents)
    if not sets:
        held = ""
        if isinstance(contents, Mapping):
            held = f"; it has {', '.join(map(str, list(contents)[:8]))}" if contents else "; it is empty"
        raise InputError(f"{where}: holds no names and tensors{held}; save the network's state_dict")
    if entry is not None:
        return _at(sets, entry, where)
    if len(sets) > 1:
        names = list(sets)
        raise InputError(
            f"{where}: holds several sets of weights: {_counted(sets)}; choose with victim.entry={names[0]} or "
            f"victim.entry={names[1]}"
        )
    return next(iter(sets.values()))


def put_into(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Load all tensors into the network, under the names that `weight_names.fitted_names` makes of theirs.

    Raises InputError, with `where` at its start, if they do not fit.
    """
    wanted = network.state_dict()
    fitted = fitted_names(tensors, wanted.keys())
    try:
        network.load_state_dict(fitted if fitted is not None else tensors)
    except (RuntimeError, TypeError, AttributeError) as error:
        found = misfit(tensors if fitted is None else fitted, wanted) or first_line(error)
        raise InputError(f"{where}: the weights do not fit the {type(network).__name__}: {found}") from error


def load_weights(network: nn.Module, path: str | Path, entry: str | None = None) -> nn.Module:
    """The network in eval mode with the weights of a file, for factories of users.

    `entry` and the errors are those of `read_tensors` and `put_into`; nothing in the file is executed.
    """
    put_into(network, read_tensors(path, "load_weights", entry), str(path))
    return network.eval()


def weight_sets(contents: Any) -> dict[str, dict[str, Tensor]]:
    """Place -> names and tensors of all sets of weights in what a file holds; the place of the file itself is "".

    Weights are mappings of tensors alone, one of which has an axis; what optimisers and metrics keep is left out.
    """
    found: dict[str, dict[str, Tensor]] = {}

    def walk(value: Any, place: tuple[str, ...]) -> None:
        if not isinstance(value, Mapping) or len(place) > _DEEPEST:
            return
        tensors = {str(name): one for name, one in value.items() if isinstance(one, Tensor)}
        if tensors and len(tensors) == len(value) and any(one.ndim for one in tensors.values()):
            found[".".join(place)] = tensors
            return
        for name, one in value.items():
            if isinstance(name, str) and not name.startswith("optim"):  # an optimiser's averages have names, too
                walk(one, (*place, name))

    walk(contents, ())
    return found


def _at(sets: Mapping[str, dict[str, Tensor]], entry: str, where: str) -> dict[str, Tensor]:
    if entry in sets:
        return sets[entry]
    for place, tensors in sets.items():
        # Of a file with one set of weights, the place of that set may be left out.
        beginnings = [entry] if len(sets) == 1 else []
        if place and entry.startswith(f"{place}."):
            beginnings.append(entry.removeprefix(f"{place}."))
        for beginning in beginnings:
            dotted = f"{beginning}."
            if chosen := {name.removeprefix(dotted): t for name, t in tensors.items() if name.startswith(dotted)}:
                return chosen
    raise InputError(f"{where}: has no weights at victim.entry={entry}; it holds {_counted(sets)}")


def _counted(sets: Mapping[str, Mapping[str, Tensor]]) -> str:
    return ", ".join(f"{place or 'the file itself'} ({len(tensors)} tensors)" for place, tensors in sets.items())


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
        contents = torch.load(file, map_location="cpu", weights_only=True)
    for tensors in weight_sets(contents).values():
        check_tensors(tensors)
    return contents
