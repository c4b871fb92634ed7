"""The command `train`: train a victim."""

from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from benchmark.callbacks.adversarial_training import MONITOR, AdversarialTraining
from benchmark.callbacks.progress import TrainingProgress
from benchmark.callbacks.validation_attack import ValidationAttack
from benchmark.cli import healing
from benchmark.cli.chosen_victim import chosen_victim
from benchmark.cli.context import Context, open_context
from benchmark.cli.parsers import say
from benchmark.cli.preflight import rehearse
from benchmark.config.build import build_adversarial_training, build_trainer
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError
from benchmark.tracking.guarded_logger import GuardedLogger
from benchmark.victims.checkpoint_io import read_checkpoint
from benchmark.victims.task import Victim
from benchmark.victims.weights import put_into


def train(cfg: DictConfig, processes: ProcessGroup) -> None:
    """Train a victim and say where its checkpoint is."""
    context = open_context("train", cfg, processes)
    if context.checkpoint is not None:
        raise InputError("victim.ckpt names a trained victim; leave it out to train, or use `attack`")
    context.data.require_training()
    victim = chosen_victim(cfg, context.data)
    rehearse(context, victim, fits=True, attacks=False)
    with context.begin() as loggers:
        train_victim(context, victim, loggers)


def train_victim(context: Context, victim: Victim, loggers: list[GuardedLogger]) -> Path:
    """Fit, or go on with it; the victim ends with the weights of its best epoch. Returns the best checkpoint."""
    settings, folder = context.training, context.folder
    recorded = folder.environment()
    if recorded.get("trained") or recorded.get("weights_sha256"):  # attacks come after the training
        _take_best(victim, folder.best_checkpoint)
        return folder.best_checkpoint
    adversarial_training = build_adversarial_training(context.cfg)
    monitor = "val/iou" if adversarial_training is None else MONITOR
    checkpoint = ModelCheckpoint(
        folder.checkpoints,
        filename=folder.best_checkpoint.stem,
        monitor=monitor,
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )
    stopping = EarlyStopping(monitor, mode="max", patience=settings.patience)
    callbacks: list[pl.Callback] = [checkpoint, stopping, TrainingProgress()]
    if adversarial_training is not None:
        # Before those that look at what it logs.
        callbacks.insert(0, AdversarialTraining(adversarial_training, context.cfg.seed, context.data.background))
    if settings.attack_every:
        callbacks.append(
            ValidationAttack(context.plan, settings.attack_every, settings.attack_images, context.processes)
        )
    trainer = build_trainer(context.cfg, folder.path, loggers, callbacks, context.processes)
    images = len(context.data.splits()["train"])
    name = context.victim_name(victim)
    say(f"training {name} on {images} images of {context.data.name} in {folder.path}")
    name = context.processes.agree("checkpoint", lambda: healing.usable_checkpoint(folder) if context.resumed else "")
    start = folder.checkpoints / name if name else None
    trainer.fit(victim, datamodule=context.data, ckpt_path=start, weights_only=True)
    if not checkpoint.best_model_path:
        raise InputError("training ended without a validation; give trainer.max_epochs at least 1")
    path = folder.best_checkpoint  # not best_model_path, which a checkpoint of a moved or foreign folder may have set
    _take_best(victim, path)
    best = float(checkpoint.best_model_score or 0)
    context.record(trained={"epochs": trainer.current_epoch, monitor.replace("/", "_"): best})
    say(f"trained {trainer.current_epoch} epochs; best {monitor} {best:.3f}: {path}")
    return path


def _take_best(victim: Victim, path: Path) -> None:
    try:
        _, weights = read_checkpoint(path)
    except InputError as error:
        raise InputError(
            f"{str(error).rpartition('; ')[0]}, and the training is over; restore {path}, or train it again in another "
            "folder (the same settings, python -m benchmark train, run.dir=NEW) and copy its best.ckpt here"
        ) from error
    put_into(victim, weights, str(path))
