"""The attack epoch: every image of the test loop is attacked and becomes one row per attack."""

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from benchmark.data.trainer_data import data_of
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError
from benchmark.evaluation.case import items_of, split_of
from benchmark.evaluation.check_before_attack import check_allowed, check_before_attack
from benchmark.evaluation.kept_rows import kept_point
from benchmark.evaluation.plan import Plan
from benchmark.evaluation.progress import AttackProgress
from benchmark.evaluation.row_writer import Row, RowWriter, RunInfo
from benchmark.evaluation.session import Session
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS
from benchmark.runs.victim_doubts import doubt_lines

Done = Mapping[tuple[str, str], Mapping[str, Any]]
"""(attack, id) -> row of an image that has been attacked before."""


class AttackEpoch(pl.Callback):
    """Attacks the images of `trainer.test` and writes their rows, traces and pictures.

    Images are queued as the test loop loads them, and attacked when the slots are full or the loop has ended. They stay
    on the host until then. The data module is a `SegmentationData`, or has the same test loader, ids and class counts.
    Each of several processes attacks the images that its own loop loads, and waits for the others at the end.

    Args:
        plan: attacks, targets and judge.
        folder: of the run.
        run, victim: their names in the rows.
        progress: whether to show a progress bar.
        processes: those that share the epoch; None: only this one.
        done: images that are not attacked again.
        identity: the columns weights_sha256 and data_fingerprint of the rows; None: they are null.
        check: whether the victim is checked first. What is doubtful about it becomes warnings, and reports of the
            folder show it.
        allow: findings of the check that do not refuse the victim, such as "batch_dependence".

    Attributes:
        victim_check: set at the start of the epoch, what `check_before_attack` returns; None: not checked.
        shares: set at the end of the epoch, one entry per process: "rank", "images" (rows), "image_steps", "seconds"
            and "idle_seconds", the time it waited for the others.

    Raises:
        InputError: the trainer has other processes, or a precision that rounds the images; the check refuses the
            victim.
        RuntimeError: the epoch has ended, and some images have no row.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        *,
        run: str,
        victim: str,
        progress: bool = True,
        processes: ProcessGroup | None = None,
        done: Done | None = None,
        identity: Mapping[str, str | None] | None = None,
        check: bool = True,
        allow: Sequence[str] = (),
    ) -> None:
        self._plan, self._run, self._victim, self._show_progress = plan, run, victim, progress
        self._identity = identity or {}
        self._folder = RunFolder(folder)
        self._processes, self._done = processes or ProcessGroup(), done or {}
        self._session: Session | None = None
        check_allowed(allow)
        self._check, self._allow = check, allow
        self.victim_check: dict[str, Any] | None = None
        self.shares: list[dict[str, Any]] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        check_precision(trainer)
        if trainer.world_size != self._processes.size:
            raise InputError(
                f"the trainer has {trainer.world_size} processes, the attack epoch {self._processes.size}; "
                "give AttackEpoch(processes=...) those of the trainer"
            )
        data = data_of(trainer)
        if self._check:
            self.victim_check = check_before_attack(
                self._plan, pl_module, data, allowed=self._allow, processes=self._processes
            )
            if self._processes.first:
                self._folder.record_victim_check(self.victim_check)
                for line in doubt_lines(self.victim_check):
                    warnings.warn(f"victim: {line}", stacklevel=2)
        ids = data.test_ids()
        self._expected = {(name, image_id) for name in self._plan.attacks for image_id in ids}
        self._progress = AttackProgress(
            len(self._expected - self._done.keys()), disable=not (self._show_progress and self._processes.first)
        )
        self._start, self._images, self._image_steps = time.monotonic(), 0, 0
        weights, fingerprint = map(self._identity.get, ("weights_sha256", "data_fingerprint"))
        names = {"run": self._run, "victim": self._victim}
        info = RunInfo(plan=self._plan, data=data, weights_sha256=weights, data_fingerprint=fingerprint, **names)
        session = Session(
            self._plan,
            pl_module,
            split_of(data, "test"),
            quantizer=info.quantizer,
            watch=self._progress.watch if self._show_progress else None,
            class_pixels=data.class_pixels,
            done=self._done,
            point=lambda attack, image_id: kept_point(self._folder, self._done[attack, image_id]),
        )
        complete = {image_id for _, image_id in self._done}
        self._writer = RowWriter(self._folder, info, session.network, self._processes.rank, complete)
        self._session = session
        session.__enter__()

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any, **__: Any
    ) -> None:
        assert self._session is not None
        for item in items_of(batch):
            self._session.submit(item)
        self._attack(drain=False)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._attack(drain=True)
        self._count(self._writer.flush())
        end = time.monotonic()
        share = {"images": self._images, "image_steps": self._image_steps, "seconds": end - self._start}
        self._processes.barrier("attacked")
        shares = self._processes.gather("shares", share | {"idle_seconds": time.monotonic() - end})
        self.shares = [{"rank": rank, **share} for rank, share in enumerate(shares)]
        if self._processes.first and (missing := self._expected - RECORDS.keys(self._folder.path)):
            attack, image_id = min(missing)
            raise RuntimeError(f"{len(missing)} images have no row, such as {image_id} of {attack}")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        # A signal ends the run with a BaseException, and a network that fails with an InputError; images that have
        # finished by then are still written.
        try:
            if self._session is not None and (
                isinstance(exception, InputError) or not isinstance(exception, Exception)
            ):
                for attack, finished, case in self._session.finished():
                    self._count(self._writer.write(attack, finished, case))
                self._count(self._writer.flush())
        finally:
            self._close()

    def _attack(self, drain: bool) -> None:
        assert self._session is not None
        for attack, finished, case in self._session.run(drain):
            self._count(self._writer.write(attack, finished, case))
            check_stop()

    def _count(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._images += 1
            self._image_steps += row["steps"]
            self._progress.done(row, self._processes.count("rows"))

    def _close(self) -> None:
        if self._session is not None:
            self._session.__exit__()
            self._writer.close()
            self._progress.close()
            self._session = None


def check_precision(trainer: pl.Trainer) -> None:
    """Raise InputError for a trainer that would round the images before they are attacked."""
    if str(trainer.precision) in ("16-true", "bf16-true", "transformer-engine"):
        raise InputError(
            f"trainer.precision={trainer.precision} hands over images in reduced precision; train with "
            "trainer.precision=bf16-mixed or 32-true, and set engine.precision for the attack"
        )
