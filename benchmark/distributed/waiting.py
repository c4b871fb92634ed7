"""Waiting for other processes: who waits for whom, and where, is said within five seconds."""

import sys
import time
from collections.abc import Callable, Sequence

from benchmark.distributed.termination import check_stop

PATIENCE = 4.0
"""Seconds of waiting until a line says so."""

_AGAIN = 600.0  # seconds until the next line
_PAUSE = 0.05  # seconds between two looks
_SHOWN = 8  # ranks that a line names


def wait_until(
    done: Callable[[], bool], who: str, describe: Callable[[], str], limit: float | None = None, *, stops: bool = True
) -> bool:
    """Look again and again until `done` holds; a line says for whom, after `PATIENCE` seconds.

    Args:
        done: called about 20 times a second.
        who: waits, such as `rank 3`.
        describe: for whom and where, such as `rank(s) 1, 2 at host:29500`; called only when it is said.
        limit: seconds after which the wait ends; None: never.
        stops: whether a stop that was asked for ends it.

    Returns:
        Whether `done` holds.
    """
    start = time.monotonic()
    say_at = start + PATIENCE
    while not done():
        if stops:
            check_stop()
        now = time.monotonic()
        if limit is not None and now > start + limit:
            return False
        if now > say_at:
            print(f"{who} waits for {describe()}", file=sys.stderr, flush=True)
            say_at = now + _AGAIN
        time.sleep(_PAUSE)
    return True


def ranks(missing: Sequence[int]) -> str:
    """`rank 1`, or `ranks 1, 2 and 30 more`."""
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return f"rank{'s' if len(missing) != 1 else ''} {', '.join(map(str, missing[:_SHOWN]))}{more}"
