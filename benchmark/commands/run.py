"""`run`: train, attack, show."""

from omegaconf import DictConfig

from benchmark.commands.attack import attack_images, checkpoint_of, load_victim
from benchmark.commands.context import open_context
from benchmark.commands.rehearsal import rehearse
from benchmark.commands.show import show
from benchmark.commands.train import new_victim, train_victim
from benchmark.ranks import Ranks


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
