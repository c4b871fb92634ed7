"""A command owns the folder it writes to, from before its first look until its end."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmark.cli.parsers import say
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import check_stop, last_act
from benchmark.errors import InputError, machine_error
from benchmark.runs.lock import FolderLock
from benchmark.runs.process_identity import ProcessIdentity

_FAREWELL = 3.0  # seconds that the first process waits for the others at the end
_PAUSE = 0.05  # seconds between two looks

_numbers = itertools.count()  # of the folders that this process has owned


@contextmanager
def owned(
    folder: Path, command: str, processes: ProcessGroup | None = None, remedy: str = "give another folder"
) -> Iterator[None]:
    """Hold the lock of a folder, which is made if it is missing, and removed in the end if it is empty.

    Of several processes the first one takes the lock, for all of them. `remedy` is what a user can do instead of
    waiting for the end of another owner.

    Raises:
        InputError: in all processes, if the folder has another owner.
    """
    group = (processes or ProcessGroup()).scoped(f"owner {next(_numbers)}")
    everyone = [ProcessIdentity(**one) for one in group.gather("processes", asdict(ProcessIdentity.own()))]
    lock = FolderLock(folder, command, everyone, remedy=remedy, lost=_stop)
    acquired = False

    def acquire() -> str:
        nonlocal acquired
        try:
            lock.acquire(check_stop, partial(say, error=True))
        except InputError as error:
            return str(error)
        except OSError as error:
            if machine_error(error):
                raise
            return f"{folder}: nothing can be written there ({error.strerror}); {remedy}"
        acquired = True
        return ""

    if refusal := group.agree("refusal", acquire):
        raise InputError(refusal)
    if not acquired:  # one of the others
        try:
            yield
        finally:
            with suppress(RuntimeError):  # the first process, which hosts the store, has ended
                group.count("done")
        return
    try:
        with last_act(lambda: lock.remove() if _alone(everyone) else None):
            yield
    finally:
        if _others_are_done(group, everyone):
            lock.release()
        else:
            lock.leave()


def remove_lock_left_behind(folder: Path) -> None:
    """Remove the lock and the temporary files of processes that this one has started and that were killed."""
    if folder.is_dir():
        with suppress(InputError, OSError):  # another command has begun there
            lock = FolderLock(folder, "end")
            lock.acquire()
            lock.release()


def _stop(line: str) -> None:
    """Ask this process to stop, because it writes where another does."""
    say(f"error: {line}", error=True)
    os.kill(os.getpid(), signal.SIGTERM)


def _alone(everyone: list[ProcessIdentity]) -> bool:
    return all(process.is_alive() is False for process in everyone[1:])


def _others_are_done(group: ProcessGroup, everyone: list[ProcessIdentity]) -> bool:
    """Wait until no other process writes to the folder any more, but not for long."""
    end = time.monotonic() + _FAREWELL
    while True:
        with suppress(RuntimeError):
            if _alone(everyone) or group.count("done", 0) == group.size - 1:
                return True
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
