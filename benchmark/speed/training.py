"""Training through Lightning, as `train` does, beside the loop one would write by hand."""

import copy
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
import torch

from benchmark.callbacks.progress import TrainingProgress
from benchmark.data.datamodule import SegmentationData
from benchmark.speed.timing import Spread, in_turns, ratio, wait
from benchmark.victims.task import Victim


class Stopwatch(pl.Callback):
    """Times the epochs of one fit, from the first epoch's start to the last one's end.

    Attributes:
        seconds: of all epochs.
        images: that were trained on.
    """

    def __init__(self) -> None:
        self.seconds, self.images, self._begun = 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        self._begun = self._begun or time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, task: pl.LightningModule, outputs: Any, batch: Any, number: int
    ) -> None:
        self.images += len(batch["image"])

    def on_train_end(self, trainer: pl.Trainer, task: pl.LightningModule) -> None:
        wait(task.device)
        self.seconds = time.perf_counter() - self._begun


def compare(
    make_trainer: Callable[..., pl.Trainer], data: SegmentationData, victim: Victim, epochs: int, repeats: int
) -> dict[str, Any]:
    """Images per second of both, from the same data loader, without validation and checkpoints; wall clock.

    Args:
        make_trainer: (callbacks, **options of a Trainer) -> the Trainer that `train` would have.
        data, victim: what is trained.
        epochs: of one measurement.
        repeats: of both.
    """
    data.setup("fit")

    def lightning() -> float:
        watch = Stopwatch()
        without = {"limit_val_batches": 0, "num_sanity_val_steps": 0, "enable_checkpointing": False}
        trainer = make_trainer([TrainingProgress(), watch], max_epochs=epochs, **without)
        trainer.fit(copy.deepcopy(victim).train(), datamodule=data)
        return watch.images / watch.seconds

    found = in_turns({"lightning": lightning, "bare": lambda: _bare(data, victim, epochs)}, repeats)
    return {
        "images_per_second": {name: asdict(Spread.of(values)) for name, values in found.items()},
        "ratios": {"lightning/bare": asdict(ratio(found, "lightning", "bare"))},
    }


def _bare(data: SegmentationData, victim: Victim, epochs: int) -> float:
    """Images per second of forward pass, loss, backward pass and optimizer, and nothing else."""
    model, images = copy.deepcopy(victim).train(), 0
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = data.train_dataloader()
    begun = time.perf_counter()
    for _ in range(epochs):
        for batch in loader:
            points, labels, valid = (batch[name].to(device) for name in ("image", "mask", "valid"))
            optimizer.zero_grad()
            model.loss(model(points), labels, valid).backward()
            optimizer.step()
            images += len(points)
    wait(device)
    return images / (time.perf_counter() - begun)
