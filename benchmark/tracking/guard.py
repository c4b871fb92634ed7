"""One warning in place of the failures of a logger."""

import logging
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from benchmark.errors import MachineError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Guard:
    """Turns failures into one warning that names `who` has failed, so that a logger cannot end a measurement."""

    def __init__(self, who: str) -> None:
        self._who, self._warned = who, False

    @contextmanager
    def __call__(self, doing: str) -> Iterator[None]:
        try:
            yield
        except MachineError:  # of the run's own folder
            raise
        except Exception as error:  # loggers raise errors of many kinds, from OSError to protobuf's
            self.warn(doing, error)

    def attempt(self, doing: str, make: Callable[[], T], otherwise: T) -> T:
        """Return `make()`, or `otherwise` if it raises."""
        try:
            return make()
        except Exception as error:  # as above
            self.warn(doing, error)
        return otherwise

    def warn(self, doing: str, error: Exception) -> None:
        """Log the warning, only the first time."""
        if not self._warned:
            self._warned = True
            log.warning("%s: %s failed, the run goes on (%s)", self._who, doing, in_one_line(error))


def in_one_line(error: Exception) -> str:
    """The type and message of an error, shortened to one line."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 200)
