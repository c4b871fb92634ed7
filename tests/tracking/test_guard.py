import logging

import pytest

from benchmark.tracking.guard import Guard, in_one_line


def _fail() -> int:
    raise OSError("no space left")


def test_a_guard_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("a logger")
    with caplog.at_level(logging.WARNING):
        for attempt in range(3):
            with guard("logging"):
                raise RuntimeError(f"broken {attempt}\nby something")
        assert guard.attempt("asking", _fail, 5) == 5
    assert [record.getMessage() for record in caplog.records] == [
        "a logger: logging failed, the run goes on (RuntimeError: broken 0 by something)"
    ]


def test_what_works_is_returned(caplog: pytest.LogCaptureFixture) -> None:
    assert Guard("a logger").attempt("asking", lambda: 3, 5) == 3
    assert caplog.records == []


def test_a_guard_does_not_hold_back_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt, match="stop"), Guard("a logger")("logging"):
        raise KeyboardInterrupt("stop")


def test_an_error_is_one_short_line() -> None:
    assert in_one_line(ValueError("a\nb")) == "ValueError: a b"
    assert len(in_one_line(ValueError("word " * 100))) <= 200
