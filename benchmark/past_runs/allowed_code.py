"""Objects that a run's config.yaml names, made again: a folder must not choose code to run."""

import pkgutil
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from benchmark.config.build import build_data, instantiate
from benchmark.errors import InputError

# Where what a section names has to come from.
_CODE = {
    "data": "benchmark.data.",
    "target": "benchmark.targets.",
    "judge": "benchmark.criterion.",
    "attacks": "benchmark.attacks.",
    "defences": "benchmark.transforms.",
}


class ForeignCodeError(InputError):
    """A section names code that is not the benchmark's."""


def make_past(path: Path, node: DictConfig, key: str) -> Any:
    """Make what a node of the config.yaml at `path` names; `key` is the node's place in it, such as "data".

    Raises:
        ForeignCodeError: a `_target_`, at any depth, that is not the benchmark's own code for this section.
        InputError: something else about it cannot be used.
    """
    section = key.split(".")[0]
    targets = _targets(OmegaConf.to_container(node)) if isinstance(node, DictConfig) else []
    if not targets:
        raise InputError(f"{path}: {key}._target_ is missing; restore it")
    # First the name, before anything is imported; then what it leads to, for a name may go through other modules.
    named = all(str(target).startswith(_CODE[section]) for target in targets)
    if not named or not all(_module(_callable(path, key, name)).startswith(_CODE[section]) for name in targets):
        raise ForeignCodeError(
            f"{path}: {key}._target_={', '.join(map(str, targets))}: only code of {_CODE[section].rstrip('.')} is "
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
        found = pkgutil.resolve_name(name)  # hydra's own would log what it does not find
    except (ImportError, ValueError, AttributeError):
        found = None
    if not callable(found):
        raise InputError(f"{path}: {key}._target_={name}: is no class or function there is; restore it")
    return found


def _module(found: Any) -> str:
    return f"{getattr(found, '__module__', None)}."


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
