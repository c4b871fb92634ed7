"""Opens files that others may have made: regular files only, and where a folder is given, only those that lie in it."""

import codecs
import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path

from benchmark.errors import InputError, machine_error

LARGEST_TEXT = 2**26
"""Bytes of a text file, at most."""

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def open_regular(path: Path, inside: Path | None = None) -> BufferedReader:
    """Open a file to read its bytes. A pipe, a socket, a device or a folder is refused, and nothing waits for a writer.

    Args:
        path: of a regular file, or of a symbolic link to one.
        inside: a folder that has to hold the file that is read, so that a link, or a link among the folders above it,
            cannot lead elsewhere. The folder itself may be reached by links. None: the file may lie anywhere.

    Raises:
        MachineError: too many files are open, or the disk is broken; the file may be whole.
        OSError: there is no such file, it is not regular, or it does not lie in `inside`.
    """
    try:
        place = os.path.realpath(path) if inside is not None else os.fspath(path)
        if inside is not None and not Path(place).is_relative_to(os.path.realpath(inside)):
            raise OSError(errno.EACCES, "a link out of the folder", str(path))
        _need_regular(os.stat(place), path)  # before it is opened: opening a device can start something
        # A link that replaces a resolved path is not followed; a pipe that replaces the file is not waited for.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | (0 if inside is None else os.O_NOFOLLOW)
        file = os.fdopen(os.open(place, flags), "rb")
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    except OSError as error:
        if failure := machine_error(error, path, reading=True):
            raise failure from error
        raise
    try:
        _need_regular(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def folder_outside(folder: Path) -> Path | None:
    """The first folder below `folder` that is a link to one outside, through which files would be written there."""
    home = Path(os.path.realpath(folder))
    for place, names, _ in os.walk(home):
        for name in names:
            path = os.path.join(place, name)
            if os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(home):
                return Path(path)
    return None


def file_sha256(path: Path, inside: Path | None = None) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. Raises OSError as `open_regular` does."""
    with open_regular(path, inside) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path, what: str = "text file") -> str:
    """Read a text that a user has written, in UTF-8, or in UTF-16 or UTF-32 with a byte order mark.

    Raises:
        InputError: `what` cannot be read, is too large, or has another encoding; the message says how to cure it.
    """
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise InputError(f"{path}: the {what} cannot be read ({error.strerror}); give a text file in UTF-8") from error
    if len(content) > LARGEST_TEXT:
        raise InputError(f"{path}: the {what} is larger than {LARGEST_TEXT >> 20} MiB; give a text file")
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        wrong = f"is not {encoding.removesuffix('-sig').upper()} (byte {error.start}, line {line})"
        raise InputError(f"{path}: the {what} {wrong}; save it as UTF-8, which text editors offer") from error
    if "\0" in text:
        wrong = "holds NUL characters, as UTF-16 without a byte order mark does"
        raise InputError(f"{path}: the {what} {wrong}; save it as UTF-8, which text editors offer")
    return text


def _need_regular(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "Is a folder", str(path))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
