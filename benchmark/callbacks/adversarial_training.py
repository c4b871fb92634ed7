"""Adversarial training: a share of every batch is attacked before the victim learns from it."""

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
"""IoU to the truth of the attacked validation images, by which a hardened victim's best epoch is chosen."""

_SEEDS = 2**63


@dataclass(frozen=True)
class TrainingAttack:
    """One choice of the configuration's `adversarial_training`.

    Args:
        rule: any of the engine's, see `AdversarialTraining`.
        max_steps: updates of every image, at most; there is no stop at a success.
        share: of the training images that are attacked, in (0, 1].
        warmup_epochs: trained on clean images first.
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
    """Replaces a share of the training images by adversarial ones against the victim as it is at that step.

    Each image is attacked on its own by the engine, in evaluation mode (batch norm with its running statistics, so that
    an image's perturbation does not depend on its batch) and in full precision; the loss is then that of the truth on
    the mixed batch, in training mode. Whether an image is attacked, and from which random start, depends on (seed,
    epoch, id) alone. An untargeted rule leaves the truth. A targeted one aims at the mask of the next image of the
    batch, the last at the first's; a batch of one is left as it is.

    Every validation image is attacked in the same way, and `val/iou_attacked` logged beside `val/iou`: IoU to the truth
    over all validation pixels. It is what the steps of training reach, and no measure of what other attacks would.

    Args:
        hardening: what is done.
        seed: of the run.
        background: the class that is not foreground, if any.
    """

    def __init__(self, adversarial_training: TrainingAttack, seed: int, background: int | None) -> None:
        self._how, self._seed, self._background = adversarial_training, seed, background
        self._confusion: MulticlassConfusionMatrix | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: dict[str, Any], batch_idx: int
    ) -> None:
        epoch = trainer.current_epoch
        if epoch < self._how.warmup_epochs:
            return
        draws = [
            image_seed(self._seed, f"adversarial_training, epoch {epoch}", image_id) / _SEEDS
            for image_id in batch["id"]
        ]
        chosen = [place for place, draw in enumerate(draws) if draw < self._how.share]
        images = batch["image"]
        if not chosen or (self._how.rule.targeted and len(images) == 1):
            return
        index, result = self._attacked(pl_module, batch, chosen, f"adversarial_training, epoch {epoch}")
        # Lightning hands the same mapping to the training step.
        batch["image"] = images.index_copy(0, index, result.adv.to(images))

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        classes = int(pl_module.hparams["classes"])
        counts = MulticlassConfusionMatrix(classes, ignore_index=VOID, validate_args=False)
        self._confusion = counts.to(pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Mapping[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert self._confusion is not None
        _, result = self._attacked(pl_module, batch, list(range(len(batch["id"]))), "adversarial_training, validation")
        preds = torch.stack([finished.adv_preds for finished in result.finished]).to(pl_module.device)
        window = window_of(pl_module, *batch["image"].shape[-2:])
        mask, valid = (window.crop(batch[each]) for each in ("mask", "valid"))
        self._confusion.update(preds, mask.masked_fill(~valid, VOID))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert self._confusion is not None
        pl_module.log(MONITOR, metrics.iou(self._confusion.compute(), self._background).float())

    def _attacked(
        self, victim: pl.LightningModule, batch: Mapping[str, Any], chosen: list[int], name: str
    ) -> tuple[Tensor, AttackResult]:
        """Attack the images at the places `chosen` of a batch; those places (n,), and what became of the images."""
        images: Tensor = batch["image"]
        window, rule = window_of(victim, *images.shape[-2:]), self._how.rule
        labels, valid = (window.crop(batch[each]) for each in ("mask", "valid"))
        if self._how.rule.targeted:
            labels, valid = labels.roll(-1, 0), valid & valid.roll(-1, 0)
        index = torch.tensor(chosen, dtype=torch.int64, device=images.device)
        result = attack(
            victim,
            images[index],
            labels[index],
            rule,
            valid=valid[index],
            ids=[batch["id"][place] for place in chosen],
            # Nothing is made of its word: all steps are taken and the last iterate is the result.
            judge=Criterion() if rule.targeted else Criterion("iou", "truth", "<=", 0),
            confirm=False,
            max_steps=self._how.max_steps,
            slots=max(len(chosen), 1),
            stop=False,
            keep="last",
            background=self._background,
            seed=self._seed,
            name=name,
        )
        return index, result
