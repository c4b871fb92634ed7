"""Failures of what only tells of a run become one warning."""

import logging
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Guard:
    """Turns failures into one warning; what is being measured must not depend on who is told of it.

    Args:
        who: whose failures they are.
    """

    def __init__(self, who: str) -> None:
        self._who, self._warned = who, False

    @contextmanager
    def __call__(self, doing: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # loggers raise anything, from OSError to protobuf's errors
            self.warn(doing, error)

    def attempt(self, doing: str, make: Callable[[], T], otherwise: T) -> T:
        """What `make` returns, or `otherwise` if it fails."""
        try:
            return make()
        except Exception as error:  # as above
            self.warn(doing, error)
        return otherwise

    def warn(self, doing: str, error: Exception) -> None:
        """Say so, if nothing has been said before."""
        if not self._warned:
            self._warned = True
            log.warning("%s: %s failed, the run goes on (%s)", self._who, doing, in_one_line(error))


def in_one_line(error: Exception) -> str:
    """The error's type and message, shortened."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 200)
