"""Stopping on request: Ctrl-C and SIGTERM leave a request, and the work raises `Stopped` where it can end cleanly.

The signal handlers interrupt nothing. Long work calls `check_stop` between two steps, images or files. One thread keeps
the deadline for work that does not reach such a point: it runs even while the main thread waits in C code.
"""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from benchmark.errors import Stopped

GRACE = 8.0  # seconds until a process that has not stopped is ended

_TICK = 0.5  # seconds between two looks at the clock, and at the parent process
_HINT_DELAY = 1.0  # seconds; launchers such as torchrun pass on a Ctrl-C that the terminal has already sent
_STATUS: dict[int, int] = {signal.SIGINT: Stopped.INTERRUPTED, signal.SIGTERM: Stopped.TERMINATED}
_HINT = "stopping after the current step; press Ctrl-C again to end at once\n"

_requested: int | None = None  # the exit status
_noticed = threading.Event()  # `check_stop` has raised
_installed = False


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
    global _requested, _installed
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _installed:
        install_handlers()
        yield
        return
    _requested, _installed = None, True
    _noticed.clear()
    before = {number: signal.getsignal(number) for number in _STATUS}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    install_handlers()
    parent = os.getppid() if watch_parent else None
    threading.Thread(target=_keep_deadline, args=(reader, parent), name="stop deadline", daemon=True).start()
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
        for number, handler in before.items():
            signal.signal(number, handler)
        _requested, _installed = None, False


def install_handlers() -> None:
    """Install the handlers, again where a library has installed its own; does nothing outside a `stoppable` block."""
    if not _installed or threading.current_thread() is not threading.main_thread():
        return
    for number in _STATUS:
        # A shell starts its background jobs with Ctrl-C ignored, and Python leaves that as it is.
        if number != signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _request)


def _request(number: int, _frame: FrameType | None) -> None:
    """Leave the request. The first one counts, but SIGTERM counts more than SIGINT."""
    global _requested
    _requested = max(_requested or 0, _STATUS[number])


def _keep_deadline(reader: int, parent: int | None) -> None:
    """Read the numbers of the signals that arrive, and end the process when its time is over."""
    status = 0
    begun = hinted = 0.0
    while True:
        waits = bool(status) or parent is not None
        arrived = bool(select.select([reader], [], [], _TICK if waits else None)[0])
        number = os.read(reader, 1) if arrived else b""
        if arrived and not number:  # the block was left
            os.close(reader)
            return
        now = time.monotonic()
        if parent is not None and os.getppid() != parent:
            parent, number = None, bytes([signal.SIGTERM])
            _request(signal.SIGTERM, None)
        asked = _STATUS.get(number[0], 0) if number else 0
        if asked == Stopped.INTERRUPTED and hinted:
            os._exit(asked)
        if asked > status:
            status, begun = asked, now
        if not status:
            continue
        if status == Stopped.INTERRUPTED and not hinted and now - begun >= _HINT_DELAY:
            hinted = now
            _say(_HINT)
        if now - begun >= GRACE and not (status == Stopped.INTERRUPTED and _noticed.is_set()):
            _say(f"{Stopped(status).word}: the current step took longer than {GRACE:g} s; finished rows are kept\n")
            os._exit(status)


def _say(text: str) -> None:
    """Write to stderr past Python's buffer, which the main thread may hold; of a group's processes the first does."""
    if os.environ.get("RANK", "0") == "0" and "TORCHELASTIC_RUN_ID" not in os.environ:
        os.write(2, text.encode())


def _leave_to_parent() -> None:
    """Ignore both signals in a forked process, such as a worker of a DataLoader: the terminal sends them to all."""
    if _installed:
        signal.set_wakeup_fd(-1)
        for number in _STATUS:
            signal.signal(number, signal.SIG_IGN)


os.register_at_fork(after_in_child=_leave_to_parent)
