"""`run`: train, attack, show."""

from typing import TYPE_CHECKING

from benchmark.cli.launch import configured_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from benchmark.distributed.process_group import ProcessGroup

COMMAND = configured_command("run", "train a victim (or take victim.ckpt), attack the test images, show the result")


def run(cfg: "DictConfig", processes: "ProcessGroup") -> None:
    """Train a victim, or take the one of victim.ckpt, attack the test images with it, and show the result."""
    from benchmark.cli.attack import attack_images
    from benchmark.cli.chosen_victim import checkpoint_of, victim_from_checkpoint, victim_from_config
    from benchmark.cli.context import open_context
    from benchmark.cli.preflight import rehearse
    from benchmark.cli.publish import show
    from benchmark.cli.train import train_victim

    context = open_context(cfg, processes)
    checkpoint = checkpoint_of(context)
    victim = victim_from_config(context) if checkpoint is None else victim_from_checkpoint(context)
    rehearse(context, victim, fits=checkpoint is None, attacks=True)
    with context.begin() as loggers:
        if checkpoint is None:
            checkpoint = train_victim(context, victim, loggers)
        attack_images(context, victim, loggers)
        show(context, loggers, checkpoint)
