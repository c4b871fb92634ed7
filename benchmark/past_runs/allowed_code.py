"""Instantiating what the configuration of a past run names: only the benchmark's own code, chosen by section."""

import pkgutil
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from benchmark.config.build import build_data, instantiate
from benchmark.errors import InputError

# The package that the code of a section has to come from.
_PACKAGES = {
    "data": "benchmark.data.",
    "target": "benchmark.targets.",
    "judge": "benchmark.criterion.",
    "attacks": "benchmark.attacks.",
    "defences": "benchmark.transforms.",
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
    targets = _targets(OmegaConf.to_container(node)) if isinstance(node, DictConfig) else []
    if not targets:
        raise InputError(f"{path}: {key}._target_ is missing; restore it")
    # The name is checked before anything is imported; then the object, because a module may import foreign code.
    named = all(str(target).startswith(_PACKAGES[section]) for target in targets)
    if not named or not all(_module(_callable(path, key, name)).startswith(_PACKAGES[section]) for name in targets):
        raise ForeignCodeError(
            f"{path}: {key}._target_={', '.join(map(str, targets))}: only code of {_PACKAGES[section].rstrip('.')} is "
            "run from a run's folder; restore it"
        )
    try:
        made = build_data(node) if section == "data" else instantiate(node, key)
    except (InputError, HydraException) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from error
    kind = _kinds()[section]
    if not isinstance(made, kind):
        raise InputError(
            f"{path}: {key}._target_={targets[0]}: makes a {type(made).__name__}, no {kind.__name__}; restore it"
        )
    return made


def _callable(path: Path, key: str, name: str) -> Any:
    try:
        resolved = pkgutil.resolve_name(name)  # hydra's own function logs names that it cannot resolve
    except (ImportError, ValueError, AttributeError):
        resolved = None
    if not callable(resolved):
        raise InputError(f"{path}: {key}._target_={name}: is no class or function there is; restore it")
    return resolved


def _module(function: Any) -> str:
    return f"{getattr(function, '__module__', None)}."


def _kinds() -> dict[str, Any]:
    from benchmark.attacks.base import Rule
    from benchmark.criterion import Criterion
    from benchmark.data.datamodule import SegmentationData
    from benchmark.targets import Target
    from benchmark.transforms import InputTransform

    return {"data": SegmentationData, "target": Target, "judge": Criterion, "attacks": Rule, "defences": InputTransform}


def _targets(node: Any) -> list[Any]:
    """All `_target_` of a section, at any depth."""
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    return [target for value in node for target in _targets(value)] if isinstance(node, list) else []
