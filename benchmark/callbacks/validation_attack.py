"""A small attack while the victim is trained: how its robustness develops over the epochs."""

from statistics import fmean
from typing import Any

import pytorch_lightning as pl

from benchmark.callbacks.attack_epoch import refuse_unsuitable
from benchmark.callbacks.session import Plan, Session
from benchmark.scoring import score_prediction

_LOGGED = ("iou_target", "iou_truth", "pixel_acc_target")


class ValidationAttack(pl.Callback):
    """Attacks the first images of the validation split every few epochs and logs means; writes no rows.

    Logged as `val_attack/<attack>/success8_rate`, `.../l2`, `.../steps` and `.../adv8_<score>`, means over the images.

    Args:
        plan: attacks, targets, judge.
        every: epochs between attacks, at least 1.
        images: how many images; fewer if the split has fewer.
    """

    def __init__(self, plan: Plan, every: int, images: int) -> None:
        self._plan, self._every, self._images = plan, every, images

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or (trainer.current_epoch + 1) % self._every:
            return
        refuse_unsuitable(trainer)
        data = trainer.datamodule  # type: ignore[attr-defined]
        dataset = data.val_dataloader().dataset
        results: dict[str, list[dict[str, float]]] = {}
        ids = data.splits()["val"]
        with Session(
            self._plan, pl_module, ids, lambda image_id: data.mask(image_id, "val"), data.background
        ) as session:
            for i in range(min(self._images, len(dataset))):
                session.submit(dataset[i])
            for name, finished, case in session.run(drain=True):
                maps = (case.truth, case.target, case.valid)
                scores: dict[str, Any] = score_prediction(finished.adv8_preds, *maps, data.classes, data.background)
                l2 = (finished.adv - case.image).norm().item()
                result = {"success8_rate": float(finished.success8), "l2": l2, "steps": float(finished.steps)}
                results.setdefault(name, []).append(result | {f"adv8_{score}": scores[score] for score in _LOGGED})
        means = {
            f"val_attack/{attack}/{name}": fmean(image[name] for image in images)
            for attack, images in results.items()
            for name in images[0]
        }
        for logger in trainer.loggers:
            logger.log_metrics(means, step=trainer.global_step)
