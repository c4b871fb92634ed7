"""The command `attack`: attack the test images of a trained victim."""

from collections.abc import Mapping
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from benchmark.callbacks.attack_epoch import AttackEpoch
from benchmark.callbacks.progress import TrainingProgress
from benchmark.cli import publish, train
from benchmark.cli.checked_victim import checked_victim, kept_checkpoint, warn_of_doubts
from benchmark.cli.chosen_victim import chosen_victim
from benchmark.cli.context import Context, open_context
from benchmark.cli.parsers import say
from benchmark.cli.preflight import rehearse
from benchmark.cli.resume import check_victim
from benchmark.config.build import build_trainer
from benchmark.data.loading_options import image_size
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.sharding import Share
from benchmark.errors import InputError
from benchmark.evaluation.predicted_labels import save_labels, take_saved_labels
from benchmark.evaluation.row_writer import RunInfo
from benchmark.tracking.guarded_logger import GuardedLogger
from benchmark.victims import adapters
from benchmark.victims.fingerprints import checkpoint_sha256, program_sha256, victim_sha256
from benchmark.victims.task import Victim


def attack(cfg: DictConfig, processes: ProcessGroup) -> None:
    """Attack the victim of victim.ckpt, or a network of the user's own (an adapter's) as it is, and show the result."""
    context = open_context("attack", cfg, processes)
    if context.checkpoint is None and cfg.victim.architecture not in adapters.names():
        raise InputError("attack needs a trained victim; give victim.ckpt=PATH, or use `run` to train one first")
    run_attacks(context, trains=False)


def run_attacks(context: Context, *, trains: bool) -> None:
    """Check everything, train the chosen victim if it has to be trained, attack it, and show the result."""
    if trains:
        context.data.require_training()
    victim = chosen_victim(context.cfg, context.data, HydraConfig.get().overrides.task)
    context = context.for_classes()
    weights = "" if trains else victim_sha256(victim)  # before any pass: some networks change with every one
    device = rehearse(context, victim, fits=trains, attacks=True)
    check = {} if trains else checked_victim(context, victim, device, context.checkpoint, weights)
    with context.begin() as loggers:
        checkpoint = context.checkpoint
        if trains:
            checkpoint = train.train_victim(context, victim, loggers)
            weights = victim_sha256(victim)
            with kept_checkpoint(checkpoint):
                check = checked_victim(context, victim, device, checkpoint, weights)
        if context.processes.first:
            warn_of_doubts(check)
        attack_images(context, victim, loggers, check, weights)
        publish.show(context, loggers, checkpoint)


def _keep_labels(context: Context) -> None:
    """Save the predicted labels in the run's folder, from where all processes take the same ones."""
    if context.processes.first:
        save_labels(context.data, context.folder)
    context.processes.barrier("labels saved")
    take_saved_labels(context.data, context.folder)


def attack_images(
    context: Context, victim: Victim, loggers: list[GuardedLogger], check: Mapping[str, Any], weights: str
) -> None:
    """Run the attack epoch, or what is left of it: rows, traces and pictures in the run's folder.

    `check` is what was found of the victim, `weights` its hash before any pass.
    """
    checkpoint = context.checkpoint or context.folder.best_checkpoint
    check_victim(context.folder, weights)
    of_file = checkpoint_sha256(checkpoint) if checkpoint.exists() else None
    program = program_sha256(victim)
    of_program = {} if program is None else {"program_sha256": program}
    context.record(checkpoint_sha256=of_file, weights_sha256=weights, victim_check=check, **of_program)
    data, attacks, name = context.data, context.plan.attacks, context.victim_name(victim)
    identity: dict[str, Any] = {"weights_sha256": weights, "data_fingerprint": context.data.fingerprint()}
    if data.is_predicted:
        _keep_labels(context)
    done = context.attacked(RunInfo(plan=context.plan, data=data, **identity))
    left = [i for i, name in enumerate(data.test_ids()) if any((attack, name) not in done for attack in attacks)]
    data.test_share = Share(left, context.processes, context.cfg.sharding)
    epoch = AttackEpoch(
        context.plan,
        context.folder.path,
        run=context.name,
        victim=name,
        processes=context.processes,
        done=done,
        identity=identity,
        check=False,
    )
    # The precision of training is not that of attacks: the loop passes images on unchanged, the engine casts them.
    options: dict[str, Any] = {"inference_mode": False, "precision": "32-true", "enable_checkpointing": False}
    callbacks = [epoch, TrainingProgress()]
    trainer = build_trainer(context.cfg, context.folder.path, loggers, callbacks, context.processes, **options)
    height, width = image_size(data.size)
    what = f"{len(left)} images of {data.name} at {width} x {height} pixels (data.size)"
    say(f"attacking {what} with {', '.join(attacks)} in {context.folder.path}")
    trainer.test(victim, datamodule=data, verbose=False)
    context.record(shares=epoch.shares)
    if context.processes.size > 1:
        for share in epoch.shares:
            work = "{images} rows, {image_steps} image-steps in {seconds:.1f} s, then {idle_seconds:.1f} s idle"
            say(f"process {share['rank']}: {work.format(**share)}")
