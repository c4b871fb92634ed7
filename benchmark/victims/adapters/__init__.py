"""Networks that are not built here: each file makes one kind of them, and is the victim of its name.

A file has a function `network` that returns a torch module: images (B, C, H, W) in [0, 1] -> logits (B, K, H, W), or a
mapping with these as "out". Its keyword arguments are keys of conf/victim/NAME.yaml; `channels` (C) and `outputs` (K)
are given to those that take them. What it needs beyond this project it imports when it is called.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from torch import nn

from benchmark.errors import InputError, first_line

_GIVEN = ("channels", "outputs")


@cache
def names() -> tuple[str, ...]:
    """The kinds there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def maker(name: str) -> Callable[..., nn.Module]:
    """The function `network` of an adapter, one of `names`."""
    made: Callable[..., nn.Module] = importlib.import_module(f"benchmark.victims.adapters.{name}").network
    return made


def needed(name: str) -> list[str]:
    """The keys of an adapter without which it makes nothing, the one that says which network first."""
    parameters = inspect.signature(maker(name)).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.name not in _GIVEN]


def make(name: str, own: Mapping[str, Any], channels: int, outputs: int) -> nn.Module:
    """The network that adapter `name` makes of its own keys.

    Raises:
        InputError: a key is missing or unknown, or the network cannot be made.
    """
    function = maker(name)
    known = inspect.signature(function).parameters
    for key in needed(name):
        if own.get(key) is None:
            raise InputError(f"victim={name} needs victim.{key}, see docs/own_models.md")
    if unknown := own.keys() - known.keys():
        raise InputError(f"victim.{min(unknown)}: victim={name} takes no such key; its keys are {', '.join(known)}")
    given = {key: value for key, value in zip(_GIVEN, (channels, outputs), strict=True) if key in known}
    return function(**own, **given)


def import_extra(module: str, extra: str) -> Any:
    """A package that only some victims need. Raises InputError, naming the extra to install, if it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"victim={extra} needs {module.partition('.')[0]} ({first_line(error)}); "
            f'pip install "segmentation-attack-benchmark[{extra}]"'
        ) from error
