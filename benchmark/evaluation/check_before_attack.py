"""The check of a victim on the images that are going to be attacked, made once for all processes."""

import inspect
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from benchmark.distributed.process_group import ProcessGroup
from benchmark.engine import Engine
from benchmark.engine.precision import model_device
from benchmark.errors import InputError, did_you_mean
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.victim_check import VictimCheck, check_victim
from benchmark.evaluation.victim_findings import REFUSING
from benchmark.model_errors import as_call_error

_IMAGES = 16  # that are tried at most, from all over the split
_SLOTS = inspect.signature(Engine).parameters["slots"].default
_QUIET = 5.0  # seconds until it is said that the victim is being checked


def check_before_attack(
    plan: Plan,
    victim: nn.Module,
    data: Any,
    *,
    device: torch.device | None = None,
    validation_iou: float | None = None,
    allowed: Sequence[str] = (),
    processes: ProcessGroup | None = None,
) -> dict[str, Any]:
    """Check the victim as it will be attacked: its deployment, as many images at once, the same precision.

    Of several processes the first one checks; all of them return what it found, or raise what it raises.

    Args:
        plan: its engine's slots and precision are those of the passes.
        victim: stays where it is.
        data: a `SegmentationData`, or one with the same test loader, classes and background; set up for testing.
        device: where the passes are made; None: where the victim is.
        validation_iou: what the victim's training has measured; None: unknown.
        allowed: findings that do not refuse the victim.
        processes: those of the run; None: only this one.

    Returns:
        What environment.json holds of it.

    Raises:
        InputError: the victim fails, or a finding refuses it that is not allowed.
    """
    check_allowed(allowed)
    outcome: dict[str, Any] = {}
    if processes is None or processes.first:
        try:
            check, seconds = run_check(plan.engine, victim, data, device=device, validation_iou=validation_iou)
            check.refuse(allowed)
            outcome = {"check": check.plain() | {"seconds": seconds, "allowed": list(allowed)}}
        except InputError as error:
            if processes is None or processes.size == 1:
                raise
            outcome = {"error": str(error)}
    if processes is not None:
        outcome = processes.gather("victim check", outcome)[0]
    if "error" in outcome:
        raise InputError(outcome["error"])
    return dict(outcome["check"])


def run_check(
    engine: Mapping[str, Any],
    victim: nn.Module,
    data: Any,
    *,
    device: torch.device | None = None,
    validation_iou: float | None = None,
) -> tuple[VictimCheck, float]:
    """The check with an engine's slots and precision, whatever it finds, and its seconds.

    Raises InputError if the victim fails.
    """
    dataset: Any = data.test_dataloader().dataset
    slots = max(1, int(engine.get("slots", _SLOTS)))
    count = min(slots, _IMAGES, len(dataset))
    items = [dataset[place * len(dataset) // count] for place in range(count)]
    if getattr(data, "is_predicted", False):  # a score against the victim's own predictions says nothing
        items = [{"image": item["image"]} for item in items]
    start, before = time.monotonic(), model_device(victim)
    with _said_when_slow(count):
        try:
            if device is not None:
                with as_call_error(victim, "moved to its device by to()"):
                    victim.to(device)
            check = check_victim(
                victim,
                items,
                classes=data.classes,
                background=data.background,
                batch_size=slots,
                validation_iou=validation_iou,
                precision=engine.get("precision"),
                victim_classes=class_names(victim),
                data_classes=[str(name) for name in _names_of_scores(data)],
            )
        finally:
            if device is not None:
                victim.to(before)
    return check, time.monotonic() - start


def _names_of_scores(data: Any) -> Sequence[str]:
    """Of labels that overlap their own names, not those of their subsets."""
    return getattr(data, "scored_names", None) or getattr(data, "class_names", None) or ()


def class_names(victim: nn.Module) -> list[str]:
    """The names that the network itself, such as a Hugging Face model, gives its classes; empty if it has none."""
    names = getattr(getattr(victim, "network", victim), "class_names", ())
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def check_allowed(names: object) -> None:
    """Raise InputError unless these are names of findings that can refuse a victim."""
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InputError(f"victim.allow={names}: must be a list, such as victim.allow=[{REFUSING[0]}]")
    for name in names:
        if name not in REFUSING:
            near = did_you_mean(str(name), REFUSING)
            raise InputError(f"victim.allow: no finding {name!r} refuses a victim{near}; give {', '.join(REFUSING)}")


@contextmanager
def _said_when_slow(images: int) -> Iterator[None]:
    text = f"checking the victim on {images} images ..."
    timer = threading.Timer(_QUIET, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
