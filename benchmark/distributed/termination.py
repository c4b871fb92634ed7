"""SIGTERM, as Slurm and spot instances send it: the run ends at once, by itself, and says so in its exit status."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytorch_lightning as pl

from benchmark.errors import Terminated

GRACE = 8.0  # seconds a process may take to end by itself
_PARENT_PAUSE = 1.0  # seconds between two looks for the process that started this one

_terminated = threading.Event()
_answered = threading.Event()  # a Trainer has seen that it is to end


@contextmanager
def terminable(orphans: bool = False) -> Iterator[None]:
    """In the block SIGTERM raises Terminated, as Ctrl-C raises KeyboardInterrupt; only in the main thread.

    A process that does not get to that, because it waits for another one in a call that cannot be interrupted, is ended
    after `GRACE` seconds all the same: rows are written whole or not at all. Python may also lose an exception that a
    signal raises, in a destructor for example: a KeyboardInterrupt that has ended nothing by then is raised again.

    Args:
        orphans: whether the end of the process that started this one is a SIGTERM too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _terminated.clear()
    _answered.clear()
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, handler)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch_signals, args=(reader,), daemon=True).start()
    if orphans:
        threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(writer)  # which ends the thread that reads
        signal.signal(signal.SIGTERM, before)


def handler(_number: int, _frame: FrameType | None) -> None:
    """Raise Terminated once; whoever is ending already is not disturbed by another signal."""
    if not _terminated.is_set():
        _terminated.set()
        raise Terminated


class OwnTermination(pl.Callback):
    """Takes SIGTERM back from Lightning, whose handler waits for the other processes, and forever if they got none."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._take()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._take()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        _answered.set()

    def _take(self) -> None:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is not handler:
            signal.signal(signal.SIGTERM, handler)


def _watch_signals(reader: int) -> None:
    with open(reader, "rb", buffering=0) as numbers:
        while (number := numbers.read(1)) and number[0] != signal.SIGTERM:
            lost = number[0] == signal.SIGINT and not select.select([numbers], [], [], GRACE)[0]
            if lost and not _answered.is_set():
                os.kill(os.getpid(), signal.SIGINT)
        if not number:
            return
        end = time.monotonic() + GRACE
        while (left := end - time.monotonic()) > 0:
            # A block that is left in time closes the other end.
            if select.select([numbers], [], [], left)[0] and not numbers.read(1):
                return
        os._exit(Terminated.STATUS)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_PAUSE)
    os.kill(os.getpid(), signal.SIGTERM)
