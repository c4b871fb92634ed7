"""The check of a run's victim before it is attacked: made once, recorded, and said."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.cli.context import Context
from benchmark.cli.parsers import say
from benchmark.errors import InputError, printable
from benchmark.evaluation.check_before_attack import check_before_attack
from benchmark.runs.victim_doubts import doubt_lines
from benchmark.victims.checkpoint_io import validation_iou
from benchmark.victims.task import Victim


def checked_victim(
    context: Context, victim: Victim, device: torch.device, checkpoint: Path | None, weights: str
) -> dict[str, Any]:
    """What environment.json holds of the check of the victim; a run that goes on keeps what it has recorded.

    `weights` is the victim's hash before any pass.

    Raises InputError, in all processes, for a victim that the check refuses.
    """
    recorded: dict[str, Any] | None = context.processes.gather("recorded check", _recorded(context, weights))[0]
    if recorded is not None:
        return recorded
    return check_before_attack(
        context.plan,
        victim,
        context.data,
        device=device,
        validation_iou=None if checkpoint is None else validation_iou(checkpoint),
        allowed=list(context.cfg.victim.get("allow") or []),
        processes=context.processes,
    )


def _recorded(context: Context, weights: str) -> dict[str, Any] | None:
    """What the run has recorded of this very victim, if it has begun to attack it."""
    if not context.resumed:
        return None
    try:
        environment = context.folder.check_environment()
    except InputError:  # it is damaged, and will be made again
        return None
    check = environment.get("victim_check")
    return check if isinstance(check, dict) and environment.get("weights_sha256") == weights else None


@contextmanager
def kept_checkpoint(checkpoint: Path) -> Iterator[None]:
    """Name the victim that has just been trained, if the check refuses it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{error}; the trained victim is kept, {checkpoint}") from error


def warn_of_doubts(check: Mapping[str, Any]) -> None:
    """Say, before the attack, how the victim is read and what is doubtful about it."""
    if isinstance(reading := check.get("reading"), str):
        say(f"The victim is read as: {printable(reading)}.")
    for line in doubt_lines(check):
        say(f"warning: victim: {line}", error=True)
