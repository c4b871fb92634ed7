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


def nearest_of(kind: str, name: str, known: Iterable[str], key: str) -> str:
    """A message for an unknown name in the configuration's `key`, with the nearest of what there is."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4) or sorted(known)[:8]
    return f"unknown {kind} {name!r} in {key}; nearest: {', '.join(near)}"


def first_line(error: BaseException) -> str:
    """The error's type and the first line of its message, for messages that must stay on one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


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
