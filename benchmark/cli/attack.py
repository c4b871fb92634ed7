"""`attack`: attack the test images with a victim that exists."""

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from benchmark.cli.context import Context, open_context
from benchmark.cli.preflight import rehearse
from benchmark.cli.publish import show
from benchmark.cli.resume import check_victim
from benchmark.cli.train import victim_from_config, victim_name
from benchmark.config.build import build_trainer
from benchmark.config.overrides import parse_all
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError
from benchmark.results.run_settings import is_in

if TYPE_CHECKING:
    from benchmark.tracking.guarded_logger import GuardedLogger
    from benchmark.victims.task import Victim


def attack(cfg: DictConfig, processes: ProcessGroup) -> None:
    """Attack the victim of victim.ckpt, or a network of the user's own (an adapter's) as it is, and show the result."""
    from benchmark.victims import adapters

    context = open_context(cfg, processes)
    if cfg.victim.ckpt is None and cfg.victim.architecture not in adapters.names():
        raise InputError("attack needs a trained victim; give victim.ckpt=PATH, or use `run` to train one first")
    victim = victim_from_config(context) if cfg.victim.ckpt is None else victim_from_checkpoint(context)
    rehearse(context, victim, fits=False, attacks=True)
    with context.begin() as loggers:
        attack_images(context, victim, loggers)
        show(context, loggers, checkpoint_of(context))


def checkpoint_of(context: Context) -> Path | None:
    """The checkpoint the configuration names."""
    return None if context.cfg.victim.ckpt is None else Path(context.cfg.victim.ckpt)


def victim_from_checkpoint(context: Context) -> "Victim":
    """The victim of victim.ckpt, which has to fit the data and what the command line says of it."""
    from hydra.core.hydra_config import HydraConfig

    from benchmark.victims.loading import load_victim, split_keys

    cfg, data = context.cfg.victim, context.data
    keys = split_keys({key: value for key, value in context.config["victim"].items() if key != "ckpt"})
    victim = load_victim(
        cfg.ckpt, classes=data.classes, channels=data.channels, deployment=keys.deployment, **keys.adapter
    )
    for override in parse_all(HydraConfig.get().overrides.task):
        for key, _ in override.items():
            name = {"victim": "architecture"}.get(key, key.removeprefix("victim."))
            if is_in(key, ["victim"]) and name in victim.hparams and victim.hparams[name] != cfg[name]:
                raise InputError(
                    f"{override.text}: but {cfg.ckpt} has {name} {victim.hparams[name]}; leave it out or give another "
                    "checkpoint"
                )
    return victim


def attack_images(context: Context, victim: "Victim", loggers: "list[GuardedLogger]") -> None:
    """Run the attack epoch, or what is left of it: rows, traces and pictures in the run's folder."""
    from benchmark.callbacks.attack_epoch import AttackEpoch
    from benchmark.callbacks.progress import TrainingProgress
    from benchmark.distributed.sharding import Share
    from benchmark.victims.fingerprints import checkpoint_sha256, victim_sha256

    checkpoint = checkpoint_of(context) or context.folder / "checkpoints" / "best.ckpt"
    weights = victim_sha256(victim)
    check_victim(context.folder, context.environment(), weights)
    context.record(
        checkpoint_sha256=checkpoint_sha256(checkpoint) if checkpoint.exists() else None, weights_sha256=weights
    )
    data, attacks, done = context.data, context.plan.attacks, context.attacked()
    left = [i for i, name in enumerate(data.test_ids()) if any((attack, name) not in done for attack in attacks)]
    data.test_share = Share(left, context.processes, context.cfg.sharding)
    name = victim_name(context, victim)
    epoch = AttackEpoch(
        context.plan, context.folder, run=context.name, victim=name, processes=context.processes, done=done
    )
    # Training's precision is not the attack's: the loop hands over images as they are, the engine has its own.
    trainer = build_trainer(
        context.cfg,
        context.folder,
        loggers,
        [epoch, TrainingProgress()],
        context.processes,
        inference_mode=False,
        precision="32-true",
        enable_checkpointing=False,
    )
    print(f"attacking {len(left)} images of {data.name} with {', '.join(attacks)} in {context.folder}", flush=True)
    trainer.test(victim, datamodule=data, verbose=False)
    context.record(shares=epoch.shares)
    if context.processes.size > 1:
        for share in epoch.shares:
            print(
                "process {rank}: {images} rows, {image_steps} image-steps in {seconds:.1f} s, "
                "then {idle_seconds:.1f} s idle".format(**share)
            )
