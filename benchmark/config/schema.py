"""Checks of a composed configuration, before anything is built from it.

Nothing is listed here twice: which keys a section has is in conf/config.yaml, of which type they are in the signature
that takes them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import OmegaConf

from benchmark.callbacks.adversarial_training import TrainingAttack
from benchmark.config.groups import conf_folder
from benchmark.config.settings import RunSettings, TrainingSettings
from benchmark.config.validation import check_arguments
from benchmark.distributed.sharding import Share
from benchmark.engine import Engine
from benchmark.engine.model import AttackedModel
from benchmark.errors import InputError
from benchmark.evaluation.check_before_attack import check_allowed
from benchmark.evaluation.plan import Attack, Plan
from benchmark.evaluation.warm_starts import WarmStart
from benchmark.runs.config_text import SECTIONS

READERS: dict[str, list[Callable[..., Any]]] = {
    "": [Plan, Share, WarmStart],
    "engine": [Engine, AttackedModel, Plan],
    "training": [TrainingSettings],
    "run": [RunSettings],
}
"""Section -> the classes and functions whose signatures give the types of its keys; "" for the top."""
_OPTIONAL = ("loggers", "defences")  # sections that no file makes unless it is chosen
# Attributes of an Attack that no configuration sets.
_COMPUTED = ("family", "nominal_eps", "start_from", "passes_share")


def check_config(config: Mapping[str, Any]) -> None:
    """Raise InputError for a key that nothing reads, a missing section, and a value of another type.

    `build.instantiate` checks the arguments of a `_target_`; whoever uses a value checks its range.
    """
    if not any("rule" in node for node in (config.get("attacks") or {}).values() if isinstance(node, Mapping)):
        raise InputError("no attack chosen; give attack=NAME or attack=[NAME,NAME], see `list attack`")
    defaults: Any = OmegaConf.to_container(OmegaConf.load(conf_folder() / "config.yaml"))
    values = {key: value for key, value in config.items() if not isinstance(defaults.get(key, {}), Mapping)}
    check_arguments(READERS[""], config, "", keys=sorted(SECTIONS))
    for section in SECTIONS:
        if section not in config:
            if section not in _OPTIONAL:
                raise InputError(f"{section} is missing; do not remove it")
        elif section not in values:
            _need_section(config[section], section)
    for section in ("engine", "training", "run"):
        keys = list(defaults[section])
        check_arguments(READERS[section], config[section], section, keys=keys)
        if missing := [key for key in keys if key not in config[section]]:
            raise InputError(f"{section}.{missing[0]} is missing; do not remove it")
    check_arguments(_victim_file, {"ckpt": config["victim"].get("ckpt")}, "victim")
    check_allowed(config["victim"].get("allow", []))
    check_arguments(TrainingAttack, config["adversarial_training"], "adversarial_training")
    for name, node in config["attacks"].items():
        _need_section(node, f"attacks.{name}")
        if "rule" not in node:
            raise InputError(f"attacks.{name} is set but not chosen; give attack=[...,{name}] or ~attacks.{name}")
        check_arguments(Attack, node, f"attacks.{name}", without=_COMPUTED)


def _victim_file(ckpt: str | None) -> None:
    """Gives the type of victim.ckpt; the keys of networks are checked where the networks are made."""


def _need_section(node: Any, key: str) -> None:
    if not isinstance(node, Mapping):
        raise InputError(f"{key}={node!r}: is a section of the configuration; set the keys in it")
