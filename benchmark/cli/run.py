"""`run`: train, attack, show."""

from omegaconf import DictConfig

from benchmark.cli.attack import attack_images, checkpoint_of, victim_from_checkpoint
from benchmark.cli.context import open_context
from benchmark.cli.preflight import rehearse
from benchmark.cli.publish import show
from benchmark.cli.train import train_victim, victim_from_config
from benchmark.distributed.process_group import ProcessGroup


def run(cfg: DictConfig, processes: ProcessGroup) -> None:
    """Train a victim, or take the one of victim.ckpt, attack the test images with it, and show the result."""
    context = open_context(cfg, processes)
    checkpoint = checkpoint_of(context)
    victim = victim_from_config(context) if checkpoint is None else victim_from_checkpoint(context)
    rehearse(context, victim, fits=checkpoint is None, attacks=True)
    with context.begin() as loggers:
        if checkpoint is None:
            checkpoint = train_victim(context, victim, loggers)
        attack_images(context, victim, loggers)
        show(context, loggers, checkpoint)
