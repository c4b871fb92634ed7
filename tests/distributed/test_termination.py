"""SIGTERM ends a process by itself, and one that cannot end itself all the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmark.distributed import termination
from benchmark.distributed.termination import OwnTermination, terminable
from benchmark.errors import Terminated

REPOSITORY = Path(__file__).resolve().parents[2]

# Derives a key for minutes, which no signal interrupts.
STUCK = """
import hashlib
from benchmark.distributed import termination
termination.GRACE = 1.0
with termination.terminable():
    print("stuck", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


def test_it_is_raised_once_and_the_handler_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def told_twice() -> None:
        with terminable():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)  # who is ending already is not disturbed

    with pytest.raises(Terminated) as raised:
        told_twice()
    assert raised.value.code == 143
    assert not raised.value.told
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_that_is_lost_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "GRACE", 0.2)

    def lost() -> None:
        with terminable():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            except KeyboardInterrupt:
                pass
            time.sleep(5)

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        lost()
    assert time.monotonic() - begun < 4


def test_an_interrupt_that_a_trainer_has_seen_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "GRACE", 0.2)
    with terminable():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt as error:
            OwnTermination().on_exception(None, None, error)  # type: ignore[arg-type]
        time.sleep(1)  # as a logger that has much to send


def test_lightning_s_handler_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with terminable():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        OwnTermination().on_test_start(None, None)  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGTERM) is termination.handler
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_has_no_signals_to_care_for() -> None:
    entered = []

    def enter() -> None:
        with terminable():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]


def test_a_process_that_cannot_be_interrupted_is_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 143
    finally:
        process.kill()
        process.wait()
