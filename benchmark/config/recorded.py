"""Checks of a configuration that the folder of a run holds, which may have been written by a stranger."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from omegaconf import OmegaConf

from benchmark.config.build import COMMANDS_OWN
from benchmark.config.groups import conf_folder
from benchmark.config.schema import READERS
from benchmark.config.validation import check_arguments
from benchmark.errors import InputError
from benchmark.runs.config_text import SECTIONS
from benchmark.victims import adapters
from benchmark.victims.loading import split_keys

_TRAINER = "pytorch_lightning.Trainer"


def check_recorded(config: Mapping[str, Any]) -> None:
    """Raise InputError for a key that no run has in its sections of settings, and for a value of another type.

    The arguments of a `_target_` are checked where it is made; loggers are not made. A missing section is named by who
    needs it.
    """
    defaults: Any = OmegaConf.to_container(OmegaConf.load(conf_folder() / "config.yaml"))
    check_arguments(READERS[""], config, "", keys=sorted(SECTIONS))
    for section in ("engine", "training", "run"):
        check_arguments(READERS[section], _mapping(config, section), section, keys=list(defaults[section]))
    trainer = dict(_mapping(config, "trainer"))
    if (target := trainer.pop("_target_", _TRAINER)) != _TRAINER:
        raise InputError(f"trainer._target_={target}: a run is trained by {_TRAINER}")
    check_arguments(pl.Trainer, trainer, "trainer", without=sorted(COMMANDS_OWN))
    _check_victim(_mapping(config, "victim"))


def _mapping(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    node = config.get(section, {})
    if not isinstance(node, Mapping):
        raise InputError(f"{section}={node!r}: is a section of the configuration")
    return node


def _check_victim(section: Mapping[str, Any]) -> None:
    others = set(split_keys(section).adapter)
    architecture = section.get("architecture")
    if isinstance(architecture, str) and architecture in adapters.names():
        others -= inspect.signature(adapters.maker(architecture)).parameters.keys()
    if others:
        raise InputError(f"unknown key 'victim.{min(others)}'")
