"""The command `run`: train a victim, attack it, show the result."""

from omegaconf import DictConfig

from benchmark.cli.attack import run_attacks
from benchmark.cli.context import open_context
from benchmark.distributed.process_group import ProcessGroup


def run(cfg: DictConfig, processes: ProcessGroup) -> None:
    """Train a victim, or take the one of victim.ckpt, attack the test images with it, and show the result."""
    context = open_context("run", cfg, processes)
    run_attacks(context, trains=context.checkpoint is None)
