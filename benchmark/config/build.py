"""Objects from the configuration; what a constructor does not accept becomes one line that names the key."""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
import pytorch_lightning as pl
from hydra.errors import InstantiationException
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from benchmark.callbacks.adversarial_training import TrainingAttack
from benchmark.callbacks.cooperative_stop import CooperativeStop
from benchmark.config.plain import plain
from benchmark.config.validation import check_arguments
from benchmark.data.datamodule import SegmentationData
from benchmark.data.datamodule_factory import datamodule_for
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError, as_input_error
from benchmark.evaluation.plan import Attack, Plan, expand
from benchmark.evaluation.warm_starts import WarmStart
from benchmark.runs.folder import RunFolder
from benchmark.runs.layout import METRICS
from benchmark.runs.row_schema import PREDICTIONS
from benchmark.tracking.csv_log import ContinuedCSVLogger
from benchmark.tracking.guarded_logger import GuardedLogger
from benchmark.victims.checkpoint_io import AtomicCheckpointIO

COMMANDS_OWN = {
    *("logger", "callbacks", "default_root_dir", "inference_mode", "enable_checkpointing"),
    *("use_distributed_sampler", "plugins"),
    # A run attacks every image of its split; data sets have their own sizes.
    *("fast_dev_run", "overfit_batches", "limit_test_batches", "limit_predict_batches"),
}
"""Arguments of the Trainer that the commands decide."""


def instantiate(node: DictConfig, key: str, **arguments: Any) -> Any:
    """Make the object of a `_target_` node; `key` is its place in the configuration."""
    target, given = _target(node, key)
    check_arguments(target, given, key)
    with as_input_error(key, TypeError, ValueError, ImportError):
        try:
            return hydra.utils.instantiate(node, _convert_="all", **arguments)
        except InstantiationException as error:
            cause = error.__cause__ or ValueError(str(error))
            # Hydra wraps errors of every kind; those of our own code keep their traceback.
            raise cause if isinstance(cause, TypeError | ValueError | ImportError) else error from error


def _target(node: Any, key: str) -> tuple[Any, dict[str, Any]]:
    """The class or function that a node's `_target_` names, and the arguments that the node holds for it."""
    if not isinstance(node, DictConfig) or "_target_" not in node:
        raise InputError(f"{key}._target_ is missing; it names the class or function that {key} is made by")
    given = plain(node, complete=True)
    with as_input_error(f"{key}._target_={given['_target_']}", ImportError, ValueError, AttributeError):
        target = hydra.utils.get_object(given["_target_"])
    return target, {name: value for name, value in given.items() if not str(name).startswith("_")}


Make = Callable[[DictConfig, str], Any]
"""As `instantiate`: from a node and its place in the configuration to the object."""


def build_data(section: DictConfig) -> SegmentationData:
    """The data module of the section `data`, whose `_target_` is the class of a `Source`.

    Its other keys are keyword arguments of that class and of `SegmentationData`.
    """
    source, given = _target(section, "data")
    make = datamodule_for(source)
    check_arguments(make, given, "data")
    with as_input_error("data", TypeError, ValueError):
        return make(**given)


def build_plan(cfg: DictConfig) -> Plan:
    """Attacks, targets and judge."""
    engine = plain(cfg.engine)
    return Plan(
        attacks=build_attacks(cfg),
        target=instantiate(cfg.target, "target"),
        judge=instantiate(cfg.judge, "judge"),
        background_writer=engine.pop("background_writer"),
        engine=engine,
        seed=cfg.seed,
        defences=build_defences(cfg),
        perturb=cfg.perturb,
        cold_images=_warm_start(cfg).cold_images,
    )


def build_adversarial_training(cfg: DictConfig) -> TrainingAttack | None:
    """What `adversarial_training` asks for; None for training on clean images."""
    options = plain(cfg.adversarial_training)
    if "rule" not in options:
        if not options["share"]:
            return None
        remedy = "choose one, such as adversarial_training=pgd_at"
        raise InputError(f"adversarial_training.share: no attack to train on; {remedy}")
    rule = instantiate(cfg.adversarial_training.rule, "adversarial_training.rule")
    return TrainingAttack(**options | {"rule": rule})


def build_attacks(cfg: DictConfig, make: Make = instantiate) -> dict[str, Attack]:
    """The attacks, one for each of their budgets, by the names their rows get; `make` makes their rules."""
    attacks: dict[str, Attack] = {}
    budgets: Any = OmegaConf.to_object(cfg.budgets) if cfg.budgets is not None else None
    for name, node in cfg.attacks.items():
        options = plain(node)
        attack = Attack(**options | {"rule": make(node.rule, f"attacks.{name}.rule")})
        attacks[str(name)] = attack.with_budgets(budgets)
    if budgets is not None and not any(attack.budgets for attack in attacks.values()):
        raise InputError(f"budgets={budgets}: no attack of this run has a budget in norm inf; leave budgets out")
    return expand(attacks, _warm_start(cfg).share, cfg.warm_chain, cfg.warm_falling)


def _warm_start(cfg: DictConfig) -> WarmStart:
    return WarmStart(cfg.warm_start, cfg.warm_passes, cfg.warm_chain, cfg.warm_falling, cfg.cold_images)


def build_defences(cfg: DictConfig, make: Make = instantiate) -> dict[str, Callable[[Tensor], Tensor]]:
    """The input transforms `defence` asks for, by the names their columns get; `make` makes them."""
    defences = {}
    for name, node in (cfg.get("defences") or {}).items():
        # Columns are named after them, as after the predictions that every row has.
        if not re.fullmatch("[a-z0-9]+", str(name)) or name in PREDICTIONS:
            others = ", ".join(PREDICTIONS)
            raise InputError(f"defences.{name}: a name has small letters and digits only, and is none of {others}")
        defences[str(name)] = make(node, f"defences.{name}")
    return defences


def build_loggers(cfg: DictConfig, folder: Path, run_id: str) -> list[GuardedLogger]:
    """metrics.csv always, and what `logger` asks for; none of them can fail the run.

    A logger that takes `config` or `id` gets the resolved configuration and the run's id, by which it can go on with
    the same run.
    """
    config = plain(cfg)
    loggers = [GuardedLogger(ContinuedCSVLogger(folder, name="", version=""), METRICS)]
    for name, node in (cfg.get("loggers") or {}).items():
        # Not passed through `instantiate`, which has an argument `config` of its own.
        make = instantiate(node, f"loggers.{name}", _partial_=True)
        taken = inspect.signature(make.func).parameters.keys() - node.keys()
        of_run = {key: value for key, value in (("config", config), ("id", run_id)) if key in taken}
        logger = make(save_dir=str(folder), **of_run)
        if logger is not None:
            loggers.append(GuardedLogger(logger, str(name)))
    return loggers


def build_trainer(
    cfg: DictConfig,
    folder: Path,
    loggers: Sequence[GuardedLogger],
    callbacks: Sequence[pl.Callback],
    processes: ProcessGroup,
    **options: Any,
) -> pl.Trainer:
    """A Trainer from the section `trainer` for these processes; `options` replace its keys."""
    # The environment is named, so that Lightning does not look for itself whether Slurm has started this process and
    # then requeue the job and load checkpoints by rules of its own.
    environment: TorchElasticEnvironment | LightningEnvironment = LightningEnvironment()
    if processes.size > 1:
        environment = TorchElasticEnvironment()
        options |= {"devices": processes.local_size, "num_nodes": processes.machines}
    else:
        options |= {"strategy": "auto"}
    # Given whole, because instantiate would copy loggers and callbacks into the configuration.
    given = plain(cfg.trainer)
    if ours := given.keys() & COMMANDS_OWN:
        raise InputError(f"trainer.{min(ours)} is set by the command; see --show-config for what can be")
    with as_input_error("trainer", MisconfigurationException, TypeError, ValueError):
        trainer = instantiate(OmegaConf.create(given | options | {"_partial_": True}), "trainer")
        return trainer(
            logger=list(loggers),
            callbacks=[*callbacks, CooperativeStop()],
            default_root_dir=folder,
            # The data module gives each process its share.
            use_distributed_sampler=False,
            plugins=[environment, AtomicCheckpointIO(RunFolder(folder).checkpoints)],
        )
