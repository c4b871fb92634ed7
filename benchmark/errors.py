"""The errors that end a command, hints for mistyped names, and text from files as a terminal may show it."""

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LONGEST_MESSAGE = 4000  # characters

# Control characters, line and paragraph separators, invisible formatting (with it what turns the direction of text
# around), and surrogates, which cannot be written. Joiners stay: Persian, Hindi and emoji need them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)


def printable(text: object, *, breaks: bool = False) -> str:
    """The text with the escapes of Python for what a terminal or a page would obey instead of showing it.

    All text that may come from a file passes through here before it is shown. `breaks` keeps its line breaks, which are
    escaped otherwise.
    """
    if breaks:
        return "\n".join(map(printable, str(text).split("\n")))
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def shown_line(message: object) -> str:
    """A message as `printable` gives it, with its middle left out if it is very long."""
    text = printable(message)
    half = _LONGEST_MESSAGE // 2
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:half]} ... {text[-half:]}"


class InputError(ValueError):
    """Bad input. The message is one line: which input is wrong, what is wrong with it, and what to do about it.

    Commands print the message alone, without a traceback, and exit with status 2.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shown_line(message))


@contextmanager
def as_input_error(where: str, *kinds: type[Exception], remedy: str = "") -> Iterator[None]:
    """Turn errors of these kinds, except InputErrors, into an InputError of one line: `WHERE: REASON; REMEDY`."""
    try:
        yield
    except InputError:
        raise
    except kinds as error:
        raise InputError(" ".join(f"{where}: {error}".split()) + (f"; {remedy}" if remedy else "")) from error


def did_you_mean(word: str, known: Iterable[object]) -> str:
    """A text such as `, did you mean unet?` with the nearest known word, or an empty one."""
    nearest = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f", did you mean {nearest[0]}?" if nearest else ""


def nearest_of(kind: str, name: str, known: Iterable[str], key: str) -> str:
    """A message for an unknown name in the configuration's `key`, with the nearest known ones."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.4) or sorted(known)[:8]
    return f"unknown {kind} {name!r} in {key}; nearest: {', '.join(near)}"


def first_line(error: BaseException) -> str:
    """The error's type and the first line of its message, for messages that must stay on one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


class ReportedError(InputError):
    """Bad input that another process of the run has already reported."""


class ProcessError(Exception):
    """A process of the run failed or was killed; the message is one line."""

    def __init__(self, message: object = "") -> None:
        super().__init__(shown_line(message))


class Stopped(SystemExit):
    """The user or the system asked the command to stop; where nothing catches it, the interpreter exits.

    Args:
        status: of the process, `INTERRUPTED` after Ctrl-C or `TERMINATED` after SIGTERM.
        reported: whether the user has been told what is kept.

    Attributes:
        kept: what is left of the work, for the message; may be set on the way up.
    """

    INTERRUPTED = 130
    TERMINATED = 143

    def __init__(self, status: int, reported: bool = False) -> None:
        super().__init__(status)
        self.status, self.reported, self.kept = status, reported, ""

    @property
    def word(self) -> str:
        """`interrupted` or `terminated`."""
        return "interrupted" if self.status == self.INTERRUPTED else "terminated"

    def __str__(self) -> str:
        return f"{self.word}: {self.kept}" if self.kept else self.word
