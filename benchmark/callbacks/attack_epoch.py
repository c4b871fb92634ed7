"""The attack epoch: every image of the test loop is attacked, and ends as one row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor

from benchmark.callbacks.plan import Plan
from benchmark.callbacks.progress import AttackProgress
from benchmark.callbacks.rows import RowWriter, common_to
from benchmark.callbacks.session import Session
from benchmark.errors import InputError


class AttackEpoch(pl.Callback):
    """Attacks the images of `trainer.test` and writes their rows.

    Images are queued as the test loop loads them and attacked whenever the slots are full; the last ones when the
    loop has ended. The data module is a `SegmentationData` or offers what this uses of one.

    Args:
        plan: attacks, targets, judge.
        folder: of the run; rows go to `records/`, pictures to `adversarial/`.
        run, victim: their names, in rows.
        progress: show a progress bar.
    """

    def __init__(self, plan: Plan, folder: Path, run: str, victim: str, progress: bool = True) -> None:
        self._plan, self._folder, self._run, self._victim, self._show = plan, folder, run, victim, progress
        self._session: Session | None = None

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        refuse_unsuitable(trainer)
        data = trainer.datamodule  # type: ignore[attr-defined]
        ids = data.test_ids()
        self._progress = AttackProgress(len(ids) * len(self._plan.attacks), disable=not self._show)
        watch = self._progress.watch if self._show else None
        self._session = Session(self._plan, pl_module, ids, data.mask, data.background, watch, data.class_pixels)
        self._session.__enter__()
        # Every engine holds the model in the same precision, so any of them can predict the files.
        network = next(iter(self._session.engines.values())).network
        common = common_to(data, data.test_split, self._run, self._victim, self._plan)
        self._writer = RowWriter(self._folder, common, self._plan.attacks, network, self._plan.defences)
        self._missing = {(name, image_id) for name in self._plan.attacks for image_id in ids}

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Mapping[str, Any],
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert self._session is not None
        for item in items_of(batch):
            self._session.submit(item)
        self._work(trainer, drain=False)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._work(trainer, drain=True)
        if self._missing:
            attack, image_id = min(self._missing)
            raise RuntimeError(f"{len(self._missing)} images have no row, such as {image_id} of {attack}")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._close()

    def _work(self, trainer: pl.Trainer, drain: bool) -> None:
        assert self._session is not None
        for name, finished, case in self._session.run(drain):
            self._progress.done(self._writer.write(name, finished, case))
            self._missing.discard((name, case.id))
            if trainer.received_sigterm:
                raise SIGTERMException

    def _close(self) -> None:
        if self._session is not None:
            self._session.__exit__()
            self._progress.close()
            self._session = None


def items_of(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items a collated batch was made of."""
    return [
        {name: values[i] if isinstance(values, Tensor | list | tuple) else values for name, values in batch.items()}
        for i in range(len(batch["id"]))
    ]


def refuse_unsuitable(trainer: pl.Trainer) -> None:
    """Raise InputError for trainers under which rows would be wrong."""
    if str(trainer.precision) in ("16-true", "bf16-true", "transformer-engine"):
        raise InputError(
            f"trainer.precision={trainer.precision} hands over images in reduced precision; train with "
            "trainer.precision=bf16-mixed or 32-true, and set engine.precision for the attack"
        )
    if trainer.world_size > 1:
        raise InputError(
            f"the attack epoch would attack images twice on {trainer.world_size} processes; set trainer.devices=1"
        )
