"""`run`: train, attack, show."""

from omegaconf import DictConfig

from benchmark.cli.attack import attack_images, checkpoint_of, load_victim
from benchmark.cli.context import open_context
from benchmark.cli.preflight import rehearse
from benchmark.cli.publish import show
from benchmark.cli.train import new_victim, train_victim
from benchmark.distributed.process_group import Ranks


def run(cfg: DictConfig, ranks: Ranks) -> None:
    """Train a victim, or take the one of victim.ckpt, attack the test images with it, and show the result."""
    context = open_context(cfg, ranks)
    checkpoint = checkpoint_of(context)
    victim = new_victim(context) if checkpoint is None else load_victim(context)
    rehearse(context, victim, fits=checkpoint is None, attacks=True)
    with context.begin() as loggers:
        if checkpoint is None:
            checkpoint = train_victim(context, victim, loggers)
        attack_images(context, victim, loggers)
        show(context, loggers, checkpoint)
