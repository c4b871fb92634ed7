"""Work done beside the caller's: piece by piece, in order, by a thread of its own."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class OrderedWorker(Generic[T]):
    """Takes pieces of work and gives back what they return, in their order.

    A piece that raises does so for the caller, once, at the next call; other pieces are done all the same.

    Args:
        ahead: how many pieces may wait before the caller has to; 0: there is no thread, the caller does them at once.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, "beside") if ahead else None
        self._pending: deque[Future[T]] = deque()
        self._ready: list[T] = []

    def do(self, piece: Callable[[], T]) -> list[T]:
        """Take a piece; returns the results there are by now, its own too if there is no thread."""
        if self._thread is None:
            return [piece()]
        self._pending.append(self._thread.submit(piece))
        return self._results(self._ahead)

    def rest(self) -> list[T]:
        """Wait for all pieces; returns what is left of their results."""
        return self._results(0)

    def close(self) -> None:
        """Wait for all pieces, whatever becomes of them, and end the thread."""
        if self._thread is not None:
            self._thread.shutdown()

    def _results(self, left: int) -> list[T]:
        while self._pending and (len(self._pending) > left or self._pending[0].done()):
            self._ready.append(self._pending.popleft().result())
        ready, self._ready = self._ready, []
        return ready
