"""Objects from the configuration; what a constructor does not accept becomes one line that names the key."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from benchmark.config.validation import check_arguments
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError
from benchmark.runs.layout import METRICS
from benchmark.runs.schema import PREDICTIONS

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from torch import Tensor

    from benchmark.callbacks.adversarial_training import TrainingAttack
    from benchmark.data.datamodule import SegmentationData
    from benchmark.evaluation.plan import Attack, Plan
    from benchmark.tracking.guarded_logger import GuardedLogger

# Arguments of the Trainer that the commands decide.
_COMMANDS_OWN = {
    *("logger", "callbacks", "default_root_dir", "inference_mode", "enable_checkpointing"),
    *("use_distributed_sampler", "plugins"),
    # A run attacks every image of its split; data sets have their own sizes.
    *("fast_dev_run", "overfit_batches", "limit_test_batches", "limit_predict_batches"),
}


def instantiate(node: DictConfig, key: str, **arguments: Any) -> Any:
    """Make the object of a `_target_` node; `key` is its place in the configuration."""
    import hydra
    from hydra.errors import InstantiationException

    target, given = _target(node, key)
    check_arguments(target, given, key)
    try:
        return hydra.utils.instantiate(node, _convert_="all", **arguments)
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, InputError):
            raise cause from error
        if unknown := re.search(r"unexpected keyword argument '(\w+)'", str(cause)):
            raise InputError(
                f"unknown key '{key}.{unknown.group(1)}'; {node['_target_']} takes no such option"
            ) from error
        if isinstance(cause, TypeError | ValueError | ImportError) or cause is None:
            raise InputError(f"{key}: {' '.join(str(cause or error).split())}") from error
        raise


def _target(node: Any, key: str) -> tuple[Any, dict[str, Any]]:
    """The class or function that a node's `_target_` names, and the arguments that the node holds for it."""
    import hydra

    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise InputError(f"{key}._target_ is missing; it names the class or function that {key} is made by")
    given: Any = OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    try:
        target = hydra.utils.get_object(given["_target_"])
    except (ImportError, ValueError, AttributeError) as error:
        raise InputError(f"{key}._target_={given['_target_']}: {' '.join(str(error).split())}") from error
    return target, {name: value for name, value in given.items() if not str(name).startswith("_")}


Make = Callable[[DictConfig, str], Any]
"""As `instantiate`: from a node and its place in the configuration to the object."""


def build_data(section: DictConfig) -> "SegmentationData":
    """The data module of the section `data`, whose `_target_` is the class of a `Source`.

    Its other keys are keyword arguments of that class and of `SegmentationData`.
    """
    from benchmark.data.datamodule import datamodule_for

    source, given = _target(section, "data")
    make = datamodule_for(source)
    check_arguments(make, given, "data")
    try:
        return make(**given)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"data: {' '.join(str(error).split())}") from error


def build_plan(cfg: DictConfig) -> "Plan":
    """Attacks, targets and judge."""
    from benchmark.evaluation.plan import Plan

    engine: Any = OmegaConf.to_container(cfg.engine, resolve=True)
    background_writer = engine.pop("background_writer")
    return Plan(
        attacks=build_attacks(cfg),
        target=instantiate(cfg.target, "target"),
        judge=instantiate(cfg.judge, "judge"),
        engine=engine,
        seed=cfg.seed,
        defences=build_defences(cfg),
        perturb=cfg.perturb,
        background_writer=background_writer,
    )


def build_adversarial_training(cfg: DictConfig) -> "TrainingAttack | None":
    """What `adversarial_training` asks for; None for training on clean images."""
    from benchmark.callbacks.adversarial_training import TrainingAttack

    options: Any = OmegaConf.to_container(cfg.adversarial_training, resolve=True)
    if "rule" not in options:
        if options["share"]:
            raise InputError(
                "adversarial_training.share: no attack to train on; choose one, such as adversarial_training=pgd_at"
            )
        return None
    rule = instantiate(cfg.adversarial_training.rule, "adversarial_training.rule")
    return TrainingAttack(**options | {"rule": rule})


def build_attacks(cfg: DictConfig, make: Make = instantiate) -> "dict[str, Attack]":
    """The attacks, one for each of their budgets, by the names their rows get; `make` makes their rules."""
    from benchmark.evaluation.plan import Attack, expand

    attacks: dict[str, Attack] = {}
    budgets: Any = OmegaConf.to_object(cfg.budgets) if cfg.budgets is not None else None
    for name, node in cfg.attacks.items():
        options: Any = OmegaConf.to_container(node, resolve=True)
        attack = Attack(**options | {"rule": make(node.rule, f"attacks.{name}.rule")})
        attacks[str(name)] = attack.with_budgets(budgets)
    if budgets is not None and not any(attack.budgets for attack in attacks.values()):
        raise InputError(f"budgets={budgets}: no attack of this run has a budget in norm inf; leave budgets out")
    return expand(attacks)


def build_defences(cfg: DictConfig, make: Make = instantiate) -> "dict[str, Callable[[Tensor], Tensor]]":
    """The input transforms `defence` asks for, by the names their columns get; `make` makes them."""
    defences = {}
    for name, node in (cfg.get("defences") or {}).items():
        # The names stand in columns beside those of the predictions every row has.
        if not re.fullmatch("[a-z0-9]+", str(name)) or name in PREDICTIONS:
            raise InputError(
                f"defences.{name}: call it something of small letters and digits, other than {', '.join(PREDICTIONS)}"
            )
        defences[str(name)] = make(node, f"defences.{name}")
    return defences


def build_loggers(cfg: DictConfig, folder: Path, config: Mapping[str, Any], run_id: str) -> "list[GuardedLogger]":
    """metrics.csv always, and what `logger` asks for; none of them can fail the run.

    A logger that takes `config` or `id` gets the run's, so that one that knows runs by an id goes on with this one.
    """
    from benchmark.tracking.csv_log import ContinuedCSVLogger
    from benchmark.tracking.guarded_logger import GuardedLogger

    loggers = [GuardedLogger(ContinuedCSVLogger(folder, name="", version=""), METRICS)]
    for name, node in (cfg.get("loggers") or {}).items():
        # Its own name for an argument, config, is taken in hydra's instantiate.
        make = instantiate(node, f"loggers.{name}", _partial_=True)
        taken = inspect.signature(make.func).parameters
        own = {key: value for key, value in (("config", dict(config)), ("id", run_id)) if key in taken}
        logger = make(save_dir=str(folder), **{key: value for key, value in own.items() if key not in node})
        if logger is not None:
            loggers.append(GuardedLogger(logger, str(name)))
    return loggers


def build_trainer(
    cfg: DictConfig,
    folder: Path,
    loggers: "Sequence[GuardedLogger]",
    callbacks: "Sequence[pl.Callback]",
    processes: ProcessGroup,
    **options: Any,
) -> "pl.Trainer":
    """A Trainer from `trainer` over the processes there are, with `options` taking precedence."""
    from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    from benchmark.callbacks.cooperative_stop import CooperativeStop
    from benchmark.victims.checkpoint_io import AtomicCheckpointIO

    if processes.size > 1:
        options |= {"devices": processes.local_size, "num_nodes": processes.machines}
    else:
        options |= {"strategy": "auto"}
    # Named, so that Lightning does not look for itself whether Slurm has started this process and then requeue the job
    # and load checkpoints by rules of its own.
    environment = TorchElasticEnvironment() if processes.size > 1 else LightningEnvironment()
    # Given whole, because instantiate would copy loggers and callbacks into the configuration.
    plain: dict[str, Any] = OmegaConf.to_container(cfg.trainer, resolve=True)  # type: ignore[assignment]
    if ours := plain.keys() & _COMMANDS_OWN:
        raise InputError(f"trainer.{min(ours)} is set by the command; see --show-config for what can be")
    try:
        trainer = instantiate(OmegaConf.create(plain | options | {"_partial_": True}), "trainer")
        return trainer(
            logger=list(loggers),
            callbacks=[*callbacks, CooperativeStop()],
            default_root_dir=folder,
            # The data module gives each process its share.
            use_distributed_sampler=False,
            plugins=[environment, AtomicCheckpointIO()],
        )
    except InputError:
        raise
    except (MisconfigurationException, TypeError, ValueError) as error:
        raise InputError(f"trainer: {' '.join(str(error).split())}") from error
