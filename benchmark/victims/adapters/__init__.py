"""Networks of other projects: each file makes one kind of network, for `victim=` with the name of the file.

To add one, write a file NAME.py here with a function `network`, and conf/victim/NAME.yaml. The function returns a torch
module: images (B, C, H, W) in [0, 1] -> logits (B, K, H, W), or outputs among which `network_outputs` finds the logits.
Its arguments are keys of that YAML; `channels` (C), `outputs` (K), the victim's `head` and the data's `background` are
passed to a function that takes them. A package that not every user has installed is imported inside the function. A
tuple HARMLESS names the arguments that choose neither code nor a file: `verify` and `transfer` take them from a run's
folder, and all others from the command line only. A tuple EITHER names arguments of which one is required.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from benchmark.errors import InputError, first_line
from benchmark.runs.limited_text import read_json as read_json_file

_GIVEN = ("channels", "outputs", "head", "background")
_LARGEST_JSON = 2**24  # bytes


@cache
def names() -> tuple[str, ...]:
    """The names of all adapters."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def maker(name: str) -> Callable[..., nn.Module]:
    """The function `network` of an adapter, one of `names`."""
    function: Callable[..., nn.Module] = importlib.import_module(f"benchmark.victims.adapters.{name}").network
    return function


def needed(name: str, keys: Mapping[str, Any] | None = None) -> list[str]:
    """The required keys of an adapter; the first one names the network.

    Of the keys that an adapter calls EITHER, one is required: the one that `keys` have.
    """
    parameters = inspect.signature(maker(name)).parameters.values()
    required = [one.name for one in parameters if one.default is one.empty and one.name not in _GIVEN]
    either = _either(name)
    given = [key for key in either if (keys or {}).get(key) is not None]
    return [*(given or either)[:1], *required]


def _either(name: str) -> tuple[str, ...]:
    either: tuple[str, ...] = getattr(importlib.import_module(f"benchmark.victims.adapters.{name}"), "EITHER", ())
    return either


def harmless(name: str) -> frozenset[str]:
    """The keys of an adapter that a run's folder may set."""
    return frozenset(getattr(importlib.import_module(f"benchmark.victims.adapters.{name}"), "HARMLESS", ()))


def make(
    name: str,
    keys: Mapping[str, Any],
    channels: int,
    outputs: int,
    *,
    head: str = "softmax",
    background: int | None = 0,
) -> nn.Module:
    """The network that adapter `name` makes from its keys of the configuration, for a victim of this head.

    `background` is the class of the data that is no object; None: every class is one.

    Raises:
        InputError: a key is missing or unknown, or the network cannot be made.
    """
    function = maker(name)
    known = inspect.signature(function).parameters
    for key in needed(name, keys):
        if keys.get(key) is None:
            wanted = " or ".join(f"victim.{one}" for one in _either(name) or [key])
            raise InputError(f"victim={name} needs {wanted}, see docs/own_models.md")
    if unknown := keys.keys() - known.keys():
        raise InputError(f"victim.{min(unknown)}: victim={name} takes no such key; its keys are {', '.join(known)}")
    given = {
        key: value for key, value in zip(_GIVEN, (channels, outputs, head, background), strict=True) if key in known
    }
    return function(**keys, **given)


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """The names and values of a JSON file. Raises InputError, which ends with `cure`, if it has none."""
    try:
        contents = read_json_file(path, _LARGEST_JSON)
    except ValueError as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)}); {cure}") from error
    if not isinstance(contents, dict):
        raise InputError(f"{path}: holds no names and values; {cure}")
    return contents


def import_extra(module: str, extra: str) -> Any:
    """Import a package that only some victims need. If it is missing, InputError names the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"victim={extra} needs {module.partition('.')[0]} ({first_line(error)}); "
            f'pip install "segmentation-attack-benchmark[{extra}]"'
        ) from error
