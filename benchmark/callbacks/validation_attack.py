"""A small attack while the victim is trained: how its robustness develops over the epochs."""

from typing import Any

import pyarrow as pa
import pytorch_lightning as pl

from benchmark.callbacks.attack_epoch import refuse_unsuitable
from benchmark.distributed.process_group import ProcessGroup
from benchmark.evaluation.case import split_of
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.row_writer import common_to, make_row
from benchmark.evaluation.session import Session
from benchmark.images.quantisation import Quantizer
from benchmark.results.metric_keys import key_of
from benchmark.results.summary import summarise
from benchmark.runs.schema import SCHEMA

_LOGGED = ("steps", "l2", "adv8_iou_target", "adv8_iou_truth", "adv8_pixel_acc_target")


class ValidationAttack(pl.Callback):
    """Attacks the first images of the validation split every few epochs and logs its summary; keeps no rows.

    Logged as `val_attack/<attack>/success8_rate` and, as means, `.../steps`, `.../l2` and `.../adv8_<score>`: the
    numbers of summary.json, over the same images as there.

    Args:
        plan: attacks, targets, judge.
        every: epochs between attacks, at least 1.
        images: how many images; fewer if the split has fewer.
        ranks: the processes, each of which attacks a share of them.
    """

    def __init__(self, plan: Plan, every: int, images: int, processes: ProcessGroup | None = None) -> None:
        self._plan, self._every, self._images = plan, every, images
        self._processes = processes or ProcessGroup()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or (trainer.current_epoch + 1) % self._every:
            return
        refuse_unsuitable(trainer)
        data = trainer.datamodule  # type: ignore[attr-defined]
        dataset = data.val_dataloader().dataset
        common = common_to(data, "val", "", "", self._plan)
        rows: list[dict[str, Any]] = []
        quantizer, split = Quantizer(data.bits), split_of(data, "val")
        with Session(self._plan, pl_module, split, class_pixels=data.class_pixels, quantizer=quantizer) as session:
            for i in range(self._processes.rank, min(self._images, len(dataset)), self._processes.size):
                session.submit(dataset[i])
            for name, finished, case in session.run(drain=True):
                adv8 = quantizer.round(finished.adv.float())
                columns = self._plan.attacks[name].columns(name)
                rows.append(make_row(common, columns, finished, case, adv8, finished.adv8_preds))
        shares = self._processes.gather(f"validation attack at step {trainer.global_step}", rows)
        rows = [row for share in shares for row in share]
        numbers: dict[str, float | None] = {}
        for summary in summarise(pa.Table.from_pylist(rows, schema=SCHEMA)):
            prefix = key_of(summary["attack"], prefix="val_attack")
            numbers[f"{prefix}/success8_rate"] = summary["success8_rate"]
            numbers |= {f"{prefix}/{name}": summary[name]["mean"] for name in _LOGGED}
        # Without a success there is no norm.
        known = {name: value for name, value in numbers.items() if value is not None}
        for logger in trainer.loggers:
            logger.log_metrics(known, step=trainer.global_step)
