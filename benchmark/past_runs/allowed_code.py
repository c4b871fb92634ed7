"""Instantiating what the configuration of a past run names: only the benchmark's own code, chosen by section."""

import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from benchmark.attacks.base import Rule
from benchmark.config.build import build_data, instantiate
from benchmark.config.groups import conf_folder
from benchmark.criterion import Criterion
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError
from benchmark.targets import Target
from benchmark.transforms import InputTransform

# Section -> the package that its code has to come from, and the class that its object has to have.
_ALLOWED: dict[str, tuple[str, Any]] = {
    "data": ("benchmark.data", SegmentationData),
    "target": ("benchmark.targets", Target),
    "judge": ("benchmark.criterion", Criterion),
    "attacks": ("benchmark.attacks", Rule),
    "defences": ("benchmark.transforms", InputTransform),
}


class ForeignCodeError(InputError):
    """A section of the configuration names code that is not the benchmark's."""


def make_past(path: Path, node: DictConfig, key: str) -> Any:
    """Instantiate a node of the configuration at `path`; `key` is the place of the node in it, such as "data".

    Raises:
        ForeignCodeError: a `_target_`, at any depth, is not the benchmark's own code for this section.
        InputError: the node cannot be instantiated, or makes an object of another kind.
    """
    section = key.split(".")[0]
    package, kind = _ALLOWED[section]
    plain = OmegaConf.to_container(node) if isinstance(node, DictConfig) else None
    if word := next(_instructions(plain), None):
        raise InputError(f"{path}: {key}: has a key {word}, which no configuration of a run has; restore it")
    targets = list(_targets(plain))
    if not targets:
        raise InputError(f"{path}: {key}._target_ is missing; restore it")
    # The name is checked before anything is imported; then the object, because a module may import foreign code.
    for name in map(str, targets):
        if name.startswith("benchmark.") and name not in _shipped():
            raise InputError(f"{path}: {key}._target_={name}: is no class or function there is; restore it")
    named = all(str(target).startswith(f"{package}.") for target in targets)
    if not named or not all(_module_of(path, key, name).startswith(f"{package}.") for name in targets):
        raise ForeignCodeError(
            f"{path}: {key}._target_={', '.join(map(str, targets))}: only code of {package} is run from a run's "
            "folder; restore it"
        )
    try:
        instance = build_data(node) if section == "data" else instantiate(node, key)
    except (InputError, HydraException) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(instance, kind):
        raise InputError(
            f"{path}: {key}._target_={targets[0]}: makes a {type(instance).__name__}, no {kind.__name__}; restore it"
        )
    return instance


@cache
def _shipped() -> frozenset[str]:
    """Every `_target_` in the project's own `conf/`."""
    texts = (path.read_text(encoding="utf-8") for path in conf_folder().rglob("*.yaml"))
    return frozenset(target for text in texts for target in re.findall(r"^[ -]*_target_: *([\w.]+)", text, re.M))


def _instructions(node: Any) -> Iterator[str]:
    """Keys that Hydra would obey, besides `_target_`, at any depth."""
    if isinstance(node, dict):
        yield from (str(name) for name in node if str(name).startswith("_") and name != "_target_")
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _instructions(value)


def _module_of(path: Path, key: str, name: str) -> str:
    """The module that defines a class or function, with a dot at its end."""
    try:
        resolved = pkgutil.resolve_name(name)  # hydra's own function logs names that it cannot resolve
    except (ImportError, ValueError, AttributeError):
        resolved = None
    if not callable(resolved):
        raise InputError(f"{path}: {key}._target_={name}: is no class or function there is; restore it")
    return f"{getattr(resolved, '__module__', None)}."


def _targets(node: Any) -> Iterator[Any]:
    """All `_target_` of a section, at any depth."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _targets(value)
