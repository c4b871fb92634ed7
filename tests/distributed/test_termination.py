"""A request to stop is seen at the next check, and a process that reaches none is ended all the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.distributed.termination import check_stop, install_handlers, requested_stop, stoppable
from benchmark.errors import Stopped

REPOSITORY = Path(__file__).resolve().parents[2]

# Derives a key for minutes, which no signal interrupts.
STUCK = """
import hashlib
from benchmark.distributed import termination
termination.GRACE = 2.0
with termination.stoppable():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
WORK_UNTIL_STOPPED = """
    print("ready", flush=True)
    try:
        while True:
            time.sleep(0.05)
            termination.check_stop()
    finally:
"""
# Reaches a check at once, and then takes long to close what it has open.
SLOW_TO_CLOSE = f"""
import time
from benchmark.distributed import termination
termination.GRACE = 1.0
with termination.stoppable():{WORK_UNTIL_STOPPED}        time.sleep(3)
        print("closed", flush=True)
"""
# A worker that computes in its own process, as those of a DataLoader, until its parent has stopped.
FORKED = f"""
import os, time
from benchmark.distributed import termination
with termination.stoppable():
    if not os.fork():
        time.sleep(2)
        print("child done", flush=True)
        os._exit(0){WORK_UNTIL_STOPPED}        print("child status", os.wait()[1], flush=True)
"""


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs a script in a process group of its own, and returns when it has printed that it is ready."""
    started: list[subprocess.Popen[str]] = []

    def run(script: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_interrupts_nothing_and_is_raised_at_every_check(
    number: signal.Signals, status: int, word: str
) -> None:
    before = signal.getsignal(number)
    passed = []

    def work() -> None:
        with stoppable():
            check_stop()
            os.kill(os.getpid(), number)
            passed.append("after the signal")
            with pytest.raises(Stopped, match=word):
                check_stop()
            check_stop()

    with pytest.raises(Stopped, match=word) as raised:
        work()
    assert (raised.value.code, raised.value.status) == (status, status)
    assert not raised.value.reported
    assert passed
    assert signal.getsignal(number) is before
    assert requested_stop() is None
    check_stop()


def test_a_block_that_reaches_no_check_raises_at_its_end() -> None:
    with pytest.raises(Stopped, match=r"^terminated$"), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)


def test_an_error_that_the_request_has_caused_is_the_end_it_asked_for() -> None:
    def work(stops: bool) -> None:
        with stoppable():
            if stops:
                os.kill(os.getpid(), signal.SIGINT)
            raise ConnectionError("closed by peer")

    with pytest.raises(Stopped, match=r"^interrupted$") as raised:
        work(stops=True)
    assert isinstance(raised.value.__cause__, ConnectionError)
    with pytest.raises(ConnectionError, match="closed by peer"):
        work(stops=False)


def test_a_block_within_a_block_belongs_to_it() -> None:
    reached = []

    def work() -> None:
        with stoppable():
            with stoppable():
                os.kill(os.getpid(), signal.SIGTERM)
            reached.append("the end of the inner block")

    with pytest.raises(Stopped, match=r"^terminated$"):
        work()
    assert reached


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_of_a_library_are_replaced(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stoppable():
        ours = signal.getsignal(number)
        signal.signal(number, lambda *_: None)
        install_handlers()
        assert signal.getsignal(number) is ours
    assert signal.getsignal(number) is before
    install_handlers()
    assert signal.getsignal(number) is before, "outside a block nothing is installed"


def test_a_job_that_ignores_ctrl_c_goes_on_doing_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGINT)
            check_stop()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_has_no_signals_to_care_for() -> None:
    entered = []

    def enter() -> None:
        with stoppable():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_process_that_cannot_be_interrupted_is_ended(start, number: signal.Signals, status: int, word: str) -> None:
    process = start(STUCK)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == status
    assert err.splitlines()[-1] == f"{word}: the current step took longer than 2 s; finished rows are kept"


def test_a_second_ctrl_c_ends_a_process_at_once(start) -> None:
    process = start(STUCK.replace("2.0", "60.0"))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # as torchrun passes on what the terminal has sent already
    assert process.stderr.readline() == "stopping after the current step; press Ctrl-C again to end at once\n"
    assert process.poll() is None
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert time.monotonic() - begun < 2


def test_who_has_stopped_working_may_take_long_to_close_after_ctrl_c_but_not_after_sigterm(start) -> None:
    interrupted, terminated = start(SLOW_TO_CLOSE), start(SLOW_TO_CLOSE)
    interrupted.send_signal(signal.SIGINT)
    terminated.send_signal(signal.SIGTERM)
    assert interrupted.communicate(timeout=20)[0] == "closed\n"
    assert terminated.communicate(timeout=20)[0] == ""
    assert (interrupted.returncode, terminated.returncode) == (130, 143)


def test_a_process_is_ended_with_its_output_and_without_the_end_of_the_interpreter() -> None:
    script = """
import atexit
from benchmark.distributed.termination import end_process
atexit.register(print, "the interpreter ends")
print("rows are kept")
end_process(143)
"""
    process = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (143, "rows are kept\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_leaves_the_workers_to_their_parent(start, number: signal.Signals) -> None:
    process = start(FORKED)
    os.killpg(process.pid, number)
    out, _ = process.communicate(timeout=20)
    assert out.splitlines() == ["child done", "child status 0"]
    assert process.returncode == 128 + number
