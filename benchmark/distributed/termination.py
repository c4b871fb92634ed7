"""Stopping on request: Ctrl-C and SIGTERM leave a request, and the work raises `Stopped` where it can end cleanly.

The signal handlers interrupt nothing. Long work calls `check_stop` between two steps, images or files. One thread keeps
the deadline for work that does not reach such a point: it runs even while the main thread waits in C code.
"""

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from benchmark.errors import Stopped

GRACE = 8.0  # seconds until a process that has not stopped is ended
SHUTDOWN = 10  # seconds until a process that has started others kills those that have not stopped; more than GRACE

_TICK = 0.5  # seconds between two looks at the clock, and at the parent process
_HINT_DELAY = 1.0  # seconds; launchers such as torchrun pass on a Ctrl-C that the terminal has already sent
_STATUS: dict[int, int] = {signal.SIGINT: Stopped.INTERRUPTED, signal.SIGTERM: Stopped.TERMINATED}

_requested: int | None = None  # the exit status
_noticed = threading.Event()  # `check_stop` has raised
_installed = False
_supervises = False
_last_acts: list[Callable[[], None]] = []


def check_stop() -> None:
    """Raise Stopped if the process has been asked to stop. A call costs nothing, so call it in every long loop."""
    if _requested is not None:
        _noticed.set()
        raise Stopped(_requested)


def requested_stop() -> Stopped | None:
    """The request to stop, if there is one, without raising it."""
    return None if _requested is None else Stopped(_requested)


@contextmanager
def stoppable(*, watch_parent: bool = False) -> Iterator[None]:
    """In the block SIGINT and SIGTERM ask the process to stop; outside the main thread the block changes nothing.

    A process that has not stopped `GRACE` seconds later is ended. After SIGINT it has to reach a `check_stop` within
    this time, and may then take longer to close its loggers. After SIGTERM it has to leave the block, because whoever
    sends SIGTERM sends SIGKILL soon. A second Ctrl-C ends the process at once. None of this damages a run: rows are
    written whole or not at all.

    Args:
        watch_parent: whether the end of the parent process counts as SIGTERM, as it does for the processes of a group.

    Raises:
        Stopped: at the end of the block at the latest, and in place of an error that the request has caused, such as a
            connection that another process closed while stopping.
    """
    global _requested, _installed, _supervises
    if _installed or threading.current_thread() is not threading.main_thread():
        install_handlers()
        yield
        return
    _requested = None
    _installed = Stopped.replaces_interrupts = True
    _noticed.clear()
    before = {number: signal.getsignal(number) for number in _STATUS}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    install_handlers()
    parent = os.getppid() if watch_parent else None
    thread = threading.Thread(target=_keep_deadline, args=(reader, parent), name="stop deadline", daemon=True)
    thread.start()
    try:
        yield
        check_stop()
    except Exception as error:
        if _requested is not None:
            raise Stopped(_requested) from error
        raise
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(writer)  # which ends the thread
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)
        _requested = None
        _installed = _supervises = Stopped.replaces_interrupts = False


@contextmanager
def supervising() -> Iterator[None]:
    """In the block other processes do the work, stop on request and report it.

    This process prints nothing about a request that arrives in the block, and has `SHUTDOWN` seconds more than they.
    """
    global _supervises
    _supervises = True
    try:
        yield
    finally:
        _supervises = _requested is not None
        install_handlers()


@contextmanager
def last_act(act: Callable[[], None]) -> Iterator[None]:
    """In the block `act` is called, in a thread, before a process that does not stop is ended."""
    _last_acts.append(act)
    try:
        yield
    finally:
        _last_acts.remove(act)


def end_process(status: int) -> NoReturn:
    """Flush the streams and end the process without the interpreter's own end, which takes seconds with torch loaded.

    For a command that has stopped: its files and loggers are closed.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # the reader of a pipe has gone; the stream is None
            stream.flush()
    os._exit(status)


def install_handlers() -> None:
    """Install the handlers, again where a library has installed its own; does nothing outside a `stoppable` block."""
    if not _installed or threading.current_thread() is not threading.main_thread():
        return
    for number in _STATUS:
        # A shell starts its background jobs with Ctrl-C ignored, and Python leaves that as it is.
        if number != signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _request)


def _request(number: int, _frame: FrameType | None = None) -> None:
    """Leave the request. The first one counts, but SIGTERM counts more than SIGINT."""
    global _requested
    _requested = max(_requested or 0, _STATUS[number])


def _keep_deadline(reader: int, parent: int | None) -> None:
    """Read the numbers of the signals that arrive, and end the process when its time is over."""
    status, begun, hinted = 0, 0.0, False
    while True:
        ready, _, _ = select.select([reader], [], [], _TICK if status or parent else None)
        received = os.read(reader, 1) if ready else b""
        if ready and not received:  # the block was left
            os.close(reader)
            return
        if parent and os.getppid() != parent:
            parent, received = None, bytes([signal.SIGTERM])
        now = time.monotonic()
        if received and received[0] in _STATUS:
            _request(received[0])  # a library may have replaced the handler
            new = _STATUS[received[0]]
            if new == Stopped.INTERRUPTED and hinted:
                _exit(new)
            if new > status:
                status, begun = new, now
        if status == Stopped.INTERRUPTED and not hinted and now - begun >= _HINT_DELAY:
            hinted = True
            _say("stopping after the current step; press Ctrl-C again to end at once")
        grace = GRACE + SHUTDOWN if _supervises else GRACE
        if status and now - begun >= grace and not (status == Stopped.INTERRUPTED and _noticed.is_set()):
            _say(f"{Stopped(status).word}: the current step took longer than {GRACE:g} s; finished rows are kept")
            _exit(status)


def _exit(status: int) -> NoReturn:
    for act in [*_last_acts]:
        with suppress(Exception):
            act()
    os._exit(status)


def _say(line: str) -> None:
    """Write to stderr past Python's buffer, which the main thread may hold; of a group's processes the first does."""
    if os.environ.get("RANK", "0") == "0" and not _supervises:
        os.write(2, f"{line}\n".encode())


def _leave_to_parent() -> None:
    """Ignore both signals in a forked process, such as a worker of a DataLoader: the terminal sends them to all."""
    if _installed:
        signal.set_wakeup_fd(-1)
        for number in _STATUS:
            signal.signal(number, signal.SIG_IGN)


os.register_at_fork(after_in_child=_leave_to_parent)
