"""`attack`: attack the test images with a victim that exists."""

from typing import TYPE_CHECKING

from benchmark.cli.launch import configured_command
from benchmark.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.cli.context import Context
    from benchmark.distributed.process_group import ProcessGroup
    from benchmark.tracking.guarded_logger import GuardedLogger
    from benchmark.victims.task import Victim

COMMAND = configured_command("attack", "attack with a trained victim (victim.ckpt=PATH, or victim=python)")


def attack(cfg: "DictConfig", processes: "ProcessGroup") -> None:
    """Attack the victim of victim.ckpt, or a network of the user's own (an adapter's) as it is, and show the result."""
    from benchmark.cli.chosen_victim import checkpoint_of, victim_from_checkpoint, victim_from_config
    from benchmark.cli.context import open_context
    from benchmark.cli.preflight import rehearse
    from benchmark.cli.publish import show
    from benchmark.victims import adapters

    context = open_context(cfg, processes)
    checkpoint = checkpoint_of(context)
    if checkpoint is None and cfg.victim.architecture not in adapters.names():
        raise InputError("attack needs a trained victim; give victim.ckpt=PATH, or use `run` to train one first")
    victim = victim_from_config(context) if checkpoint is None else victim_from_checkpoint(context)
    rehearse(context, victim, fits=False, attacks=True)
    with context.begin() as loggers:
        attack_images(context, victim, loggers)
        show(context, loggers, checkpoint)


def attack_images(context: "Context", victim: "Victim", loggers: "list[GuardedLogger]") -> None:
    """Run the attack epoch, or what is left of it: rows, traces and pictures in the run's folder."""
    from benchmark.callbacks.attack_epoch import AttackEpoch
    from benchmark.callbacks.progress import TrainingProgress
    from benchmark.cli.chosen_victim import checkpoint_of, victim_name
    from benchmark.cli.resume import check_victim
    from benchmark.config.build import build_trainer
    from benchmark.distributed.sharding import Share
    from benchmark.victims.fingerprints import checkpoint_sha256, victim_sha256

    checkpoint = checkpoint_of(context) or context.folder.best_checkpoint
    weights = victim_sha256(victim)
    check_victim(context.folder, weights)
    context.record(
        checkpoint_sha256=checkpoint_sha256(checkpoint) if checkpoint.exists() else None, weights_sha256=weights
    )
    data, attacks, done = context.data, context.plan.attacks, context.attacked()
    left = [i for i, name in enumerate(data.test_ids()) if any((attack, name) not in done for attack in attacks)]
    data.test_share = Share(left, context.processes, context.cfg.sharding)
    name = victim_name(context, victim)
    epoch = AttackEpoch(
        context.plan, context.folder.path, run=context.name, victim=name, processes=context.processes, done=done
    )
    # Training's precision is not the attack's: the loop hands over images as they are, the engine has its own.
    trainer = build_trainer(
        context.cfg,
        context.folder.path,
        loggers,
        [epoch, TrainingProgress()],
        context.processes,
        inference_mode=False,
        precision="32-true",
        enable_checkpointing=False,
    )
    print(f"attacking {len(left)} images of {data.name} with {', '.join(attacks)} in {context.folder.path}", flush=True)
    trainer.test(victim, datamodule=data, verbose=False)
    context.record(shares=epoch.shares)
    if context.processes.size > 1:
        for share in epoch.shares:
            print(
                "process {rank}: {images} rows, {image_steps} image-steps in {seconds:.1f} s, "
                "then {idle_seconds:.1f} s idle".format(**share)
            )
