"""Adversarial training: some images of every training batch are attacked before the training step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from benchmark import metrics
from benchmark.attacks.base import Rule, image_seed
from benchmark.criterion import Criterion
from benchmark.engine import AttackResult, attack
from benchmark.errors import InputError
from benchmark.images.output_window import window_of
from benchmark.victims.losses import VOID

MONITOR = "val/iou_attacked"
"""The metric that chooses the best epoch of adversarial training: IoU to the truth on attacked validation images."""

_SEEDS = 2**63


@dataclass(frozen=True)
class TrainingAttack:
    """The settings of adversarial training, built from `adversarial_training` in the configuration.

    Args:
        rule: any update rule, see `AdversarialTraining`.
        max_steps: updates per image, at most; a success does not end the attack.
        share: fraction of the training images that are attacked, in (0, 1].
        warmup_epochs: the first epochs, which train on clean images only.
    """

    rule: Rule
    max_steps: int = 5
    share: float = 0.5
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InputError(
                f"adversarial_training.share={self.share}: must be above 0 and at most 1; "
                "adversarial_training=none trains clean"
            )
        for name, least in (("max_steps", 1), ("warmup_epochs", 0)):
            if getattr(self, name) < least:
                raise InputError(f"adversarial_training.{name}={getattr(self, name)}: must be at least {least}")


class AdversarialTraining(pl.Callback):
    """Replaces some of the training images by adversarial images against the current state of the victim.

    The engine attacks each image by itself, in full precision and in evaluation mode: batch norm uses its running
    statistics, so that the perturbation of an image does not depend on its batch. The training step then computes the
    loss to the truth on the mixed batch, in training mode. Whether an image is attacked, and its random start, depend
    on (seed, epoch, id) alone. An untargeted rule leads away from the truth. A targeted rule leads to the mask of the
    next image of the batch, for the last image to that of the first; a batch of one image stays clean.

    Every validation image is attacked in the same way, and `val/iou_attacked` is logged: IoU to the truth over all
    validation pixels. It measures robustness to this attack only, and other attacks may do better.

    Args:
        settings: rule, steps, share and warm-up.
        seed: of the run.
        background: the class that is not foreground, if any.
    """

    def __init__(self, settings: TrainingAttack, seed: int, background: int | None) -> None:
        self._settings, self._seed, self._background = settings, seed, background

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        epoch = trainer.current_epoch
        if epoch < self._settings.warmup_epochs:
            return
        name = f"adversarial_training, epoch {epoch}"
        draws = [image_seed(self._seed, name, image_id) / _SEEDS for image_id in batch["id"]]
        places = [place for place, draw in enumerate(draws) if draw < self._settings.share]
        images = batch["image"]
        if not places or (self._settings.rule.targeted and len(images) == 1):
            return
        result = self._attack(pl_module, batch, places, name)
        # Lightning passes the same dict to the training step.
        batch["image"] = images.index_copy(0, torch.tensor(places, device=images.device), result.adv.to(images))

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        classes = int(pl_module.hparams["classes"])
        counts = MulticlassConfusionMatrix(classes, ignore_index=VOID, validate_args=False)
        self._confusion = counts.to(pl_module.device)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any, **__: Any
    ) -> None:
        result = self._attack(pl_module, batch, list(range(len(batch["id"]))), "adversarial_training, validation")
        preds = torch.stack([finished.adv_preds for finished in result.finished]).to(pl_module.device)
        window = window_of(pl_module, *batch["image"].shape[-2:])
        mask, valid = window.crop(batch["mask"]), window.crop(batch["valid"])
        self._confusion.update(preds, mask.masked_fill(~valid, VOID))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log(MONITOR, metrics.iou(self._confusion.compute(), self._background).float())

    def _attack(
        self, victim: pl.LightningModule, batch: Mapping[str, Any], places: list[int], name: str
    ) -> AttackResult:
        """Attack the images at these places of a batch."""
        images: Tensor = batch["image"]
        window, rule = window_of(victim, *images.shape[-2:]), self._settings.rule
        labels, valid = window.crop(batch["mask"]), window.crop(batch["valid"])
        if rule.targeted:
            labels, valid = labels.roll(-1, 0), valid & valid.roll(-1, 0)
        return attack(
            victim,
            images[places],
            labels[places],
            rule,
            valid=valid[places],
            ids=[batch["id"][place] for place in places],
            # The judge is never used: every step is made, and the result is the last iterate.
            judge=Criterion() if rule.targeted else Criterion("iou", "truth", "<=", 0),
            confirm=False,
            max_steps=self._settings.max_steps,
            slots=max(len(places), 1),
            stop=False,
            keep="last",
            background=self._background,
            seed=self._seed,
            name=name,
        )
