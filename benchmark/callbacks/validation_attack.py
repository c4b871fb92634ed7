"""A small attack during training, which shows how the robustness of the victim develops."""

import pyarrow as pa
import pytorch_lightning as pl

from benchmark.callbacks.attack_epoch import check_precision
from benchmark.data.trainer_data import data_of
from benchmark.distributed.process_group import ProcessGroup
from benchmark.evaluation.case import split_of
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.row_writer import Row, RunInfo, make_row
from benchmark.evaluation.session import Session
from benchmark.results.metric_keys import key_of
from benchmark.results.summary import summarise
from benchmark.runs.row_schema import SCHEMA

_LOGGED = ("steps", "l2", "adv8_iou_target", "adv8_iou_truth", "adv8_pixel_acc_target")


class ValidationAttack(pl.Callback):
    """Attacks the first images of the validation split every few epochs and logs a summary; writes no rows.

    The logged keys are `val_attack/<attack>/success8_rate` and, as means, `.../steps`, `.../l2` and
    `.../adv8_<score>`. They are computed as in the summary of a run. The victim is not checked each time; a run checks
    it when it has been trained.

    Args:
        plan: attacks, targets and judge.
        every: epochs from one attack to the next, at least 1.
        images: number of images; fewer if the split has fewer.
        processes: each of them attacks a share of the images; None: there is only this one.
    """

    def __init__(self, plan: Plan, every: int, images: int, processes: ProcessGroup | None = None) -> None:
        self._plan, self._every, self._images = plan, every, images
        self._processes = processes or ProcessGroup()

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking or (trainer.current_epoch + 1) % self._every:
            return
        check_precision(trainer)
        data = data_of(trainer)
        dataset = data.dataset("val")
        info = RunInfo(plan=self._plan, data=data)
        rows: list[Row] = []
        split, counts = split_of(data, "val"), data.class_pixels
        with Session(self._plan, pl_module, split, quantizer=info.quantizer, class_pixels=counts) as session:
            for i in range(self._processes.rank, min(self._images, len(dataset)), self._processes.size):
                session.submit(dataset[i])
            for name, finished, case in session.run(drain=True):
                rows.append(make_row(info, name, finished, case, info.quantizer.round(finished.adv.float())))
        shares = self._processes.gather(f"validation attack at step {trainer.global_step}", rows)
        rows = [row for share in shares for row in share]
        numbers: dict[str, float | None] = {}
        for summary in summarise(pa.Table.from_pylist(rows, schema=SCHEMA)):
            prefix = key_of(summary["attack"], prefix="val_attack")
            numbers[f"{prefix}/success8_rate"] = summary["success8_rate"]
            numbers |= {f"{prefix}/{name}": summary[name]["mean"] for name in _LOGGED}
        # Norms are means over successes, so there may be none.
        logged = {name: value for name, value in numbers.items() if value is not None}
        for logger in trainer.loggers:
            logger.log_metrics(logged, step=trainer.global_step)
