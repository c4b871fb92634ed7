"""A worker thread that keeps the order of its work."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class OrderedWorker(Generic[T]):
    """Calls functions one after the other in a thread, and returns their results in the same order.

    An exception of a function is raised once, by the next method called; the functions after it are called all the
    same.

    Args:
        most_waiting: how many calls may wait before `submit` blocks; 0: there is no thread, `submit` makes the call.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, "ordered-worker") if most_waiting else None
        self._pending: deque[Future[T]] = deque()
        self._ready: list[T] = []

    def submit(self, call: Callable[[], T]) -> list[T]:
        """Queue a call; returns the results that are ready, that of this call included if there is no thread."""
        if self._thread is None:
            return [call()]
        self._pending.append(self._thread.submit(call))
        return self._results(self._most_waiting)

    def flush(self) -> list[T]:
        """Wait for all calls; returns the results that have not been returned yet."""
        return self._results(0)

    def close(self) -> None:
        """Wait for all calls, whether or not they raise, and end the thread."""
        if self._thread is not None:
            self._thread.shutdown()

    def _results(self, most_waiting: int) -> list[T]:
        while self._pending and (len(self._pending) > most_waiting or self._pending[0].done()):
            self._ready.append(self._pending.popleft().result())
        ready, self._ready = self._ready, []
        return ready
