"""A worker thread keeps the order, waits for its queue, and loses no exception."""

import threading

import pytest

from benchmark.evaluation.background_writer import OrderedWorker


def test_without_a_thread_each_piece_is_done_at_once() -> None:
    caller = threading.get_ident()
    work: OrderedWorker[int] = OrderedWorker(0)
    assert work.submit(threading.get_ident) == [caller]
    assert work.flush() == []
    work.close()


def test_results_come_in_order_from_another_thread() -> None:
    work: OrderedWorker[tuple[int, int]] = OrderedWorker(2)
    result = [one for number in range(20) for one in work.submit(lambda n=number: (n, threading.get_ident()))]
    result += work.flush()
    work.close()
    assert [number for number, _ in result] == list(range(20))
    assert {thread for _, thread in result}.isdisjoint({threading.get_ident()})
    assert len({thread for _, thread in result}) == 1


def test_the_caller_waits_when_too_much_does() -> None:
    gate = threading.Event()
    work: OrderedWorker[int] = OrderedWorker(2)
    assert work.submit(lambda: gate.wait(10) and 0) == []
    assert work.submit(lambda: 1) == []
    threading.Timer(0.05, gate.set).start()
    # The third may not wait behind two others, so the first has to be done.
    assert work.submit(lambda: 2)[0] == 0
    assert gate.is_set()
    work.close()


def test_a_failure_is_raised_once_and_no_result_is_lost() -> None:
    gate = threading.Event()
    work: OrderedWorker[float] = OrderedWorker(5)
    for piece in (lambda: gate.wait(10) and 1, lambda: 1 / 0, lambda: 2):
        assert work.submit(piece) == []
    gate.set()
    with pytest.raises(ZeroDivisionError, match="by zero"):
        work.flush()
    assert work.flush() == [1, 2]
    work.close()


def test_closing_waits_and_is_silent() -> None:
    gate, done = threading.Event(), []
    work: OrderedWorker[object] = OrderedWorker(5)
    for piece in (lambda: gate.wait(10), lambda: 1 / 0, lambda: done.append(1)):
        work.submit(piece)
    gate.set()
    work.close()
    assert done == [1]
