"""How a command ends that does not end well, and the hint that goes with a mistyped name."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input, said in one line: what was found, where, and what to do about it.

    Commands print the message alone, without a traceback, and exit with status 2.
    """


def did_you_mean(word: str, known: Iterable[object]) -> str:
    """A text such as `, did you mean unet?` with the nearest known word, or an empty one."""
    nearest = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f", did you mean {nearest[0]}?" if nearest else ""


class ToldError(InputError):
    """Bad input that another process of the run has said already."""


class ToldInterrupt(KeyboardInterrupt):
    """Ctrl-C, and another process of the run has said what is kept."""


class RankError(Exception):
    """A process of the run failed or was killed; the message is one line."""


class Terminated(SystemExit):
    """SIGTERM: the run ends, as an exit of the interpreter if nobody takes care of it.

    Args:
        told: whether what is kept has been said.
    """

    STATUS = 143

    def __init__(self, told: bool = False) -> None:
        super().__init__(self.STATUS)
        self.told = told
