"""Reads names and tensors of a whole module that `torch.save` wrote, without importing or running what the file names.

A pickle is a program that creates objects by calling functions and classes by name. This reader looks each name up in a
short table of placeholders and refuses all others, so that a file can only create mappings, lists, plain values, empty
objects with attributes, and tensors. torch's own safe reader (`weights_only`) cannot be used: it refuses files from
before torch 1.6, in which modules carry their source code.
"""

import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmark.runs.archives import check_archive

_MAGIC = 0x1950A86A20F9469CFC6C  # of the format before archives
_DTYPES = {"FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16}
_LAYERS = ("conv.Conv2d", "conv.ConvTranspose2d", "activation.ReLU", "pooling.MaxPool2d", "container.Sequential")


class Placeholder:
    """Takes the place of a module, or of a function that old modules refer to; it only holds attributes."""


class RefusedError(Exception):
    """The file refers to `name`, which is not in the table."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Storage(NamedTuple):
    key: str
    dtype: torch.dtype


class _View(NamedTuple):
    """A tensor whose numbers have not been read yet."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_module(path: Path, network: str) -> dict[str, Tensor]:
    """Name -> tensor of a pickled module's parameters, or of a pickled state dict; empty if it is neither.

    Args:
        path: the file, an archive or of the format before archives.
        network: name of the module's class, in whatever Python module it stands.

    Raises:
        RefusedError: the file refers to another name.
        OSError, ValueError, KeyError, TypeError, pickle.UnpicklingError, ...: it is no such file or is damaged.
    """
    root, contents = (_from_archive if zipfile.is_zipfile(path) else _from_stream)(path, network)
    views = dict(_parameters(root, "", set())) if isinstance(root, Placeholder) else root
    if not isinstance(views, Mapping):
        return {}
    return {str(name): _tensor(view, contents) for name, view in views.items() if isinstance(view, _View)}


class _Reader(pickle._Unpickler):
    """Resolves the names of the table and no others. A pickle reaches objects by the two overridden methods only.

    It is Python's own reader in Python, because the one in C allocates as many places as a pickle says it has objects.
    """

    def __init__(self, file: Any, network: str) -> None:
        super().__init__(file, encoding="utf-8")
        self._network = network
        self.dtypes: dict[str, torch.dtype] = {}  # of storages by key; old files have them nowhere else

    def find_class(self, module: str, name: str) -> Any:
        """The entry of the table; raises RefusedError if there is none."""
        full = f"{module}.{name}"
        if full in _TABLE:
            return _TABLE[full]
        if module in ("torch", "torch.cuda") and name in _DTYPES:
            return _DTYPES[name]
        if name == self._network:
            return Placeholder
        raise RefusedError(full)

    def persistent_load(self, pid: Any) -> Any:
        """Storages, and in old files the source code of classes, which is ignored."""
        kind, *rest = pid
        if kind == "module" and rest[0] is Placeholder:
            return Placeholder
        if kind == "storage" and isinstance(rest[0], torch.dtype):
            self.dtypes[str(rest[1])] = rest[0]
            return _Storage(str(rest[1]), rest[0])
        raise RefusedError(f"a persistent {kind}")


def _view(*arguments: Any) -> _View:
    return _View(*arguments[:4])


def _first(data: Any, *_: Any) -> Any:
    return data


_TABLE: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    **dict.fromkeys(("builtins.set", "__builtin__.set"), set),
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch.nn.backends.thnn._get_thnn_function_backend": Placeholder,
    **{f"torch.nn.modules.{name}": Placeholder for name in _LAYERS},
}


def _from_archive(path: Path, network: str) -> tuple[Any, dict[str, bytes]]:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        check_archive(file)
        (place,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        root = _Reader(BytesIO(archive.read(place)), network).load()
        folder = f"{place.removesuffix('.pkl')}/"
        names = [name for name in archive.namelist() if name.startswith(folder)]
        return root, {name.removeprefix(folder): archive.read(name) for name in names}


def _from_stream(path: Path, network: str) -> tuple[Any, dict[str, bytes]]:
    with path.open("rb") as file:
        if _Reader(file, network).load() != _MAGIC:
            raise ValueError("not a file of torch.save")
        _Reader(file, network).load(), _Reader(file, network).load()  # protocol, system
        reader = _Reader(file, network)
        root = reader.load()
        contents = {}
        for key in _Reader(file, network).load():
            (count,) = struct.unpack("<q", file.read(8))
            contents[str(key)] = file.read(count * reader.dtypes[str(key)].itemsize)
        return root, contents


def _parameters(module: Placeholder, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    # Modules that hold each other many times over would become ever more names.
    if id(module) in seen:
        raise ValueError("one module in two places")
    seen.add(id(module))
    for name, value in _members(module, "_parameters"):
        yield f"{prefix}{name}", value
    for name, child in _members(module, "_modules"):
        if isinstance(child, Placeholder):
            yield from _parameters(child, f"{prefix}{name}.", seen)


def _members(module: Placeholder, kind: str) -> list[tuple[Any, Any]]:
    members = vars(module).get(kind)
    return list(members.items()) if isinstance(members, Mapping) else []


def _tensor(view: _View, contents: Mapping[str, bytes]) -> Tensor:
    """The tensor of a view; raises ValueError if the file lacks some of its numbers."""
    numbers = torch.frombuffer(bytearray(contents[view.storage.key]), dtype=view.storage.dtype)
    size, stride = tuple(map(int, view.size)), tuple(map(int, view.stride))
    last = view.offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    fits = view.offset >= 0 and min(stride, default=0) >= 0 and last < len(numbers)
    if not fits or min(size, default=1) < 1 or math.prod(size) > len(numbers):
        raise ValueError(f"a tensor of {math.prod(size)} numbers, of which not all are there")
    return numbers.as_strided(size, stride, view.offset).clone()
