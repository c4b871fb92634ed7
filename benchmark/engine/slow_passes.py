"""Says which network has not returned from a pass for a long time."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from benchmark.model_errors import model_name

PATIENCE = 60.0
"""Seconds until a pass that has not returned is named."""

_TICK = 0.5  # seconds between two looks
_IDLE = 5.0  # seconds without a pass after which the thread ends


class SlowPasses:
    """One thread that looks at the pass that is being made; a pass itself costs two assignments.

    The thread starts with a pass and ends when there has been none for a while, so that nothing is left of it in a
    process that has done its work. Passes of several threads at once are not told apart: the last one counts.
    """

    def __init__(self) -> None:
        self._current: tuple[float, float, str] | None = None  # when it is late, the patience, what to say
        self._last = 0.0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, model: nn.Module, images: Tensor, patience: float = PATIENCE) -> Iterator[None]:
        """In the block, a line is printed on stderr when it takes longer than `patience` seconds."""
        before, self._last = self._current, time.monotonic()
        said = f"victim {model_name(model)} has not returned for {patience:g} s from images {tuple(images.shape)}"
        self._current = (self._last + patience, patience, said)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="slow passes", daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._current, self._last = before, time.monotonic()

    def _look(self) -> None:
        named = None
        while True:
            current, now = self._current, time.monotonic()
            if current is None and now - self._last > _IDLE:
                return
            if current is not None and current is not named and now >= current[0]:
                named = current
                print(f"{current[2]}; Ctrl-C ends the command", file=sys.stderr, flush=True)
            time.sleep(_TICK if current is None else min(_TICK, current[1] / 4))


SLOW_PASSES = SlowPasses()
"""Watches all passes of this process."""
