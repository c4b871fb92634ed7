"""Files that appear under their final names only when they are whole."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.errors import machine_error

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to, and rename it when the block has ended well.

    A block that fails leaves nothing; a process that is killed leaves at most a hidden `.tmp` file nobody reads.

    Raises:
        MachineError: naming `path`, in place of the error that a full disk, a limit or the like has caused.
    """
    temporary = temporary_path(path, secrets.token_hex(4))
    try:
        yield temporary
        os.replace(temporary, path)
    except Exception as error:  # each library has its own
        if failure := machine_error(error, path):
            raise failure from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def temporary_path(path: Path, token: str) -> Path:
    """A hidden path beside `path` that `remove_temporaries` knows; `token` has eight hexadecimal digits."""
    return path.with_name(f".{path.name}.{token}.tmp")


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes have left below `folder`; nobody may be writing there.

    Symbolic links are not followed, and what cannot be removed stays.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            if _TEMPORARY.fullmatch(name):
                with suppress(OSError):
                    os.unlink(os.path.join(place, name))


def save_text(path: Path, text: str, newline: str | None = None) -> None:
    """Write a text file, whole or not at all; `newline` is as for `open`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline=newline)
