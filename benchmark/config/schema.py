"""What is wrong with a composed configuration before anything is made from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.config.validation import check_arguments
from benchmark.errors import InputError


@dataclass(frozen=True)
class _Root:
    seed: int
    data: Mapping[str, Any]
    victim: Mapping[str, Any]
    attacks: Mapping[str, Any]
    budgets: list[float] | None
    target: Mapping[str, Any]
    judge: Mapping[str, Any]
    trainer: Mapping[str, Any]
    engine: Mapping[str, Any]
    sharding: str
    perturb: str
    adversarial_training: Mapping[str, Any]
    training: Mapping[str, Any]
    run: Mapping[str, Any]
    loggers: Mapping[str, Any]
    defences: Mapping[str, Any]


@dataclass(frozen=True)
class _Engine:
    slots: int
    precision: int | str
    sync_every: int | None
    max_passes: int | None
    channels_last: bool
    fold: bool
    compiled: bool
    background_writer: bool | None


@dataclass(frozen=True)
class _Training:
    patience: int
    attack_every: int
    attack_images: int


@dataclass(frozen=True)
class _TrainingAttack:
    rule: Mapping[str, Any]
    share: float
    max_steps: int
    warmup_epochs: int


@dataclass(frozen=True)
class _Run:
    name: str
    dir: str
    resume: str | None
    montage: int


@dataclass(frozen=True)
class _Attack:
    rule: Mapping[str, Any]
    max_steps: int
    stop: bool
    keep: str
    budgets: list[float] | None
    equal_norm: str | None


_LEAST = {
    "seed": 0,
    "engine.slots": 1,
    "engine.sync_every": 1,
    "engine.max_passes": 1,
    "training.patience": 0,
    "training.attack_every": 0,
    "training.attack_images": 1,
    "run.montage": 0,
}
_SHARDING = ("static", "dynamic")
_SEEDS = 2**32  # NumPy's generators take no larger ones


def check_config(config: Mapping[str, Any]) -> None:
    """Raise InputError for a key nothing reads, a section that is not there, a value of another type or out of range.

    What a `_target_` takes is for its own constructor to say; see `build.instantiate`.
    """
    if not any("rule" in node for node in (config.get("attacks") or {}).values() if isinstance(node, Mapping)):
        raise InputError("no attack chosen; give attack=NAME or attack=[NAME,NAME], see `list attack`")
    _check(_Root, config, "", optional=("loggers", "defences"))
    _check(_Engine, config["engine"], "engine")
    _check(_Training, config["training"], "training")
    _check(
        _TrainingAttack,
        config["adversarial_training"],
        "adversarial_training",
        optional=("rule", "max_steps", "warmup_epochs"),
    )
    _check(_Run, config["run"], "run")
    for name, node in config["attacks"].items():
        if "rule" not in node:
            raise InputError(f"attacks.{name} is set but not chosen; give attack=[...,{name}] or ~attacks.{name}")
        _check(_Attack, node, f"attacks.{name}", optional=("max_steps", "stop", "keep", "budgets", "equal_norm"))
    if config["sharding"] not in _SHARDING:
        raise InputError(f"sharding={config['sharding']}: must be {' or '.join(_SHARDING)}")
    for key, least in _LEAST.items():
        value: Any = config
        for part in key.split("."):
            value = value[part]
        if value is not None and value < least:
            raise InputError(f"{key}={value}: must be at least {least}")
    if config["seed"] >= _SEEDS:
        raise InputError(f"seed={config['seed']}: must be less than {_SEEDS}")


def _check(section: type, found: Any, key: str, optional: tuple[str, ...] = ()) -> None:
    if not isinstance(found, Mapping):
        raise InputError(f"{key}={found!r}: is a section of the configuration; set the keys in it")
    check_arguments(section, found, key)
    for name in section.__dataclass_fields__:  # type: ignore[attr-defined]
        if name not in found and name not in optional:
            raise InputError(f"{key}.{name} is missing; do not remove it".lstrip("."))
