"""The attack epoch: every image of the test loop is attacked, and ends as one row."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from benchmark.callbacks.progress import AttackProgress
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError
from benchmark.evaluation.case import split_of
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.row_writer import Row, RowWriter, common_to
from benchmark.evaluation.session import Session
from benchmark.images.quantisation import Quantizer
from benchmark.runs.tables import RECORDS

Done = Mapping[tuple[str, str], Mapping[str, Any]]
"""(attack, id) -> row of what has been attacked before."""


class AttackEpoch(pl.Callback):
    """Attacks the images of `trainer.test` and writes their rows.

    Images are queued as the test loop loads them and attacked whenever the slots are full; the last ones when the
    loop has ended. The data module is a `SegmentationData` or offers what this uses of one. Of several processes each
    attacks the images its loop loads, and waits at the end for the others.

    Args:
        plan: attacks, targets, judge.
        folder: of the run; rows go to `records/`, pictures to `adversarial/`.
        run, victim: their names, in rows.
        progress: show a progress bar.
        ranks: the processes.
        done: what is not attacked again.

    Attributes:
        shares: when the epoch has ended, what each process did of it: "rank", "images" (rows), "image_steps",
            "seconds", and "idle_seconds", how long it waited for the others.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        run: str,
        victim: str,
        progress: bool = True,
        processes: ProcessGroup | None = None,
        done: Done | None = None,
    ) -> None:
        self._plan, self._folder, self._run, self._victim, self._show = plan, folder, run, victim, progress
        self._processes, self._done = processes or ProcessGroup(), done or {}
        self._session: Session | None = None
        self.shares: list[dict[str, Any]] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        refuse_unsuitable(trainer)
        if trainer.world_size != self._processes.size:
            raise InputError(f"{trainer.world_size} processes, of which the attack epoch knows {self._processes.size}")
        data = trainer.datamodule  # type: ignore[attr-defined]
        ids = data.test_ids()
        self._expected = {(name, image_id) for name in self._plan.attacks for image_id in ids}
        self._progress = AttackProgress(
            len(self._expected - self._done.keys()), disable=not (self._show and self._processes.first)
        )
        self._begun, self._images, self._image_steps = time.monotonic(), 0, 0
        session = Session(
            self._plan,
            pl_module,
            split_of(data, "test"),
            self._progress.watch if self._show else None,
            data.class_pixels,
            self._done,
            Quantizer(data.bits),
        )
        # Every engine holds the model in the same precision, so any of them can predict images for it.
        network = next(iter(session.engines.values())).network
        common = common_to(data, data.test_split, self._run, self._victim, self._plan)
        self._writer = RowWriter(
            self._folder,
            common,
            self._plan.attacks,
            network,
            self._plan.defences,
            self._processes.rank,
            Quantizer(data.bits),
            self._plan.background_writer,
        )
        self._session = session
        session.__enter__()

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
        self._work(drain=False)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._work(drain=True)
        self._note(self._writer.rest())
        seconds = time.monotonic() - self._begun
        own = {"images": self._images, "image_steps": self._image_steps, "seconds": seconds}
        ended = time.monotonic()
        self._processes.barrier("attacked")
        idle = time.monotonic() - ended
        shares = self._processes.gather("shares", own | {"idle_seconds": idle})
        self.shares = [{"rank": rank, **share} for rank, share in enumerate(shares)]
        if self._processes.first:
            self._check_complete()

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        # An end that was asked for, by a signal: what has finished by then is not lost.
        try:
            if self._session is not None and not isinstance(exception, Exception):
                for done in self._session.finished():
                    self._note(self._writer.write(*done))
                self._note(self._writer.rest())
        finally:
            self._close()

    def _work(self, drain: bool) -> None:
        assert self._session is not None
        for done in self._session.run(drain):
            self._note(self._writer.write(*done))
            check_stop()

    def _note(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._images += 1
            self._image_steps += row["steps"]
            self._progress.done(row, self._processes.count("rows"))

    def _check_complete(self) -> None:
        if missing := self._expected - RECORDS.keys(self._folder):
            attack, image_id = min(missing)
            raise RuntimeError(f"{len(missing)} images have no row, such as {image_id} of {attack}")

    def _close(self) -> None:
        if self._session is not None:
            self._session.__exit__()
            self._writer.close()
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
