"""The errors that end a command, hints for mistyped names, and text from files as a terminal may show it."""

import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LONGEST_MESSAGE = 4000  # characters

MOST_LISTED = 20
"""Places of one fault that a message lists."""

_CURES = {
    errno.ENOSPC: "free space there",
    errno.EDQUOT: "free space there, or ask for a larger quota",
    errno.EFBIG: "allow larger files, see ulimit -f",
    errno.EROFS: "choose a place that can be written",
    errno.EMFILE: "allow more open files, see ulimit -n",
    errno.ENFILE: "too many files are open on this machine; close other programs",
    errno.EIO: "see whether the disk is sound",
}
_PERMISSIONS = dict.fromkeys((errno.EACCES, errno.EPERM), "choose a place where you may write")

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


class ForeignError(InputError):
    """Bad input: code of the user's, such as a network, has raised an error.

    It says nothing about the machine, even where that error is a full disk's: no file of this program is concerned.
    """


class DetailedError(InputError):
    """Bad input: the line of an InputError, and indented lines below it.

    Args:
        message: the first line.
        details: the places of the fault, or an example of what to type instead.
        most: details that are shown, of more the first ones.

    Attributes:
        details: those that are shown.
    """

    def __init__(self, message: object, details: Iterable[object], *, most: int | None = None) -> None:
        super().__init__(message)
        lines = [shown_line(line) for line in details]
        more = 0 if most is None else len(lines) - most
        self.details = [*lines[:most], f"and {more} more"] if more > 0 else lines
        self.args = ("\n".join([*self.args, *(f"  {line}".rstrip() for line in self.details)]),)


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


def said_by(error: BaseException) -> str:
    """The error's message; empty where its own code fails to give one."""
    try:
        return str(error)
    except Exception:
        return ""


def first_line(error: BaseException) -> str:
    """The error's type and the first line of its message, for messages that must stay on one line."""
    text = said_by(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


class ReportedError(InputError):
    """Bad input that another process of the run has already reported."""


class ProcessError(Exception):
    """A process of the run failed or was killed; the message is one line."""

    def __init__(self, message: object = "") -> None:
        super().__init__(shown_line(message))


class MachineError(ProcessError):
    """A full disk, a read-only folder, a limit of the system: neither the input nor the program is wrong.

    Commands print the message alone, without a traceback, and exit with status 1.

    Attributes:
        reported: whether another process of the run has said so already.
    """

    reported = False


def machine_error(error: BaseException, place: object = None, *, reading: bool = False) -> MachineError | None:
    """The failure of the machine that an error stands for, or that is among its causes; None if there is none.

    Args:
        error: libraries raise an OSError, or an error of their own that quotes one or has one as its cause.
        place: the file or folder, if the error does not know it under the name that a user knows.
        reading: whether the error is from reading, where a lack of permission is a fault of the input.
    """
    cures = _CURES if reading or isinstance(error, InputError) else _CURES | _PERMISSIONS
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, MachineError):
            return cause
        if isinstance(cause, ForeignError):
            return None
        if type(cause).__name__ == "OutOfMemoryError":  # torch's, which takes too long to import here
            return MachineError(f"{first_line(cause)}; set engine.slots, data.batch_size or data.size lower")
        seen.add(id(cause))
        code = cause.errno if isinstance(cause, OSError) else None
        if code is None and not isinstance(cause, InputError):
            code = next((code for code in _CURES if os.strerror(code) in said_by(cause)), None)
        if code in cures:
            # Files are written through `atomic_path`, which names them.
            unnamed = "the output" if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "this process"
            where = place or getattr(cause, "filename", None) or unnamed
            return MachineError(f"{where}: {os.strerror(code)}; {cures[code]}")
        cause = cause.__cause__ or cause.__context__
    return None


@contextmanager
def writing(where: str, remedy: str) -> Iterator[None]:
    """Turn an OSError into one line: `WHERE: REASON; REMEDY`, a MachineError or else an InputError."""
    try:
        yield
    except OSError as error:
        if failure := machine_error(error):
            raise failure from error
        raise InputError(f"{where}: {error.strerror or error}; {remedy}") from error


class Stopped(SystemExit):
    """The user or the system asked the command to stop; where nothing catches it, the interpreter exits.

    Args:
        status: of the process, `INTERRUPTED` after Ctrl-C or `TERMINATED` after SIGTERM.
        reported: whether the user has been told what is kept.

    Attributes:
        kept: what is left of the work, for the message; may be set on the way up.
        replaces_interrupts: whether Ctrl-C leads to this error at present, so that a KeyboardInterrupt has another
            origin.
    """

    INTERRUPTED = 130
    TERMINATED = 143
    replaces_interrupts = False

    def __init__(self, status: int, reported: bool = False) -> None:
        super().__init__(status)
        self.status, self.reported, self.kept = status, reported, ""

    @property
    def word(self) -> str:
        """`interrupted` or `terminated`."""
        return "interrupted" if self.status == self.INTERRUPTED else "terminated"

    def __str__(self) -> str:
        return f"{self.word}: {self.kept}" if self.kept else self.word
