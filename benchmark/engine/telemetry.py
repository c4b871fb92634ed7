"""Measurements and time of the images in the slots, as the host sees them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, norms
from benchmark.engine.jobs import InFlight

Measurements = dict[str, Any]
"""One step: "ids" (list of str) and "step", "iou", ... each (len(ids),) float64 on the CPU, as in `Finished.trace`."""


class Telemetry:
    """Collects measurements on the device, and passes them to the images' traces and to `watch` when they are read."""

    def __init__(self, watch: Callable[[Measurements], None] | None) -> None:
        self._watch = watch
        self._unread: list[tuple[Tensor, dict[str, Tensor]]] = []
        self._clock = 0.0

    def record(self, awake: Tensor, measured: dict[str, Tensor]) -> None:
        """Store one step of the images `awake` (B,) bool; each measurement is (B,) float64."""
        self._unread.append((awake, measured))

    def read(self, in_flight: Sequence[InFlight]) -> None:
        """Bring the measurements since the last call to the host; `in_flight` are the images of the B slots."""
        for awake, measured in self._unread:
            names, chosen = list(measured), awake.cpu()
            table = torch.stack(list(measured.values())).cpu()[:, chosen]
            present = [image for image, is_awake in zip(in_flight, chosen.tolist(), strict=True) if is_awake]
            for image, column in zip(present, table.T.tolist(), strict=True):
                image.trace.append(dict(zip(names, column, strict=True)))
            if self._watch and present:
                ids = [image.job.id for image in present]
                self._watch({"ids": ids, **dict(zip(names, table, strict=True))})
        self._unread = []

    def start_clock(self) -> None:
        """Count time for the images from now on."""
        self._clock = time.perf_counter()

    def bill(self, in_flight: Sequence[InFlight]) -> None:
        """Divide the time since the last call among the images in the slots."""
        now = time.perf_counter()
        for image in in_flight:
            image.seconds += (now - self._clock) / len(in_flight)
        self._clock = now


def take_measurements(batch: Batch, preds: Tensor, loss: Tensor | None) -> dict[str, Tensor]:
    """Telemetry of the current iterates, each (B,) float64; empties the rule's report, which is part of it."""
    counts = metrics.confusion(preds, batch.labels, batch.valid, batch.classes)
    delta = batch.iterates - batch.images
    measured = {
        "step": batch.steps,
        "iou": metrics.iou(counts, batch.background),
        "pixel_acc": metrics.pixel_accuracy(counts),
        "l2": norms(delta, 2),
        "linf": norms(delta, "inf"),
        **({} if loss is None else {"loss": loss}),
        **batch.report,
    }
    batch.report = {}
    return {name: value.double() for name, value in measured.items()}
