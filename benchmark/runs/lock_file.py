"""What the lock file of a run's folder says, and making such a file so that only one process can."""

import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from benchmark.errors import InputError
from benchmark.regular_files import open_regular
from benchmark.runs.process_identity import ProcessIdentity

_LARGEST = 2**20  # bytes
_LONGEST = 300  # characters
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True, kw_only=True)
class LockFile:
    """What a lock file says, and when it was renewed.

    `processes` is empty for a file that cannot be understood, such as one that is being written.
    """

    token: str
    command: str
    since: str
    processes: tuple[ProcessIdentity, ...]
    renewed: int  # nanoseconds, by the clock of the file system

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The lock of this path; None if there is none. Raises InputError for what is no file."""
        try:
            # Opened, because file systems of clusters may answer from memory until a file is opened.
            with open_regular(path, path.parent) as file:
                text, status = file.read(_LARGEST), os.fstat(file.fileno())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{path}: is no lock that a run has made ({error.strerror}); remove it") from error
        try:
            return cls(**_parsed(text), renewed=status.st_mtime_ns)
        except (ValueError, TypeError, KeyError, RecursionError):
            token = str(status.st_ino)
            return cls(token=token, command="", since="", processes=(), renewed=status.st_mtime_ns)

    def is_alive(self) -> bool | None:
        """Whether one of the processes is there; None if that cannot be seen."""
        states = [process.is_alive() for process in self.processes] or [None]
        return True if True in states else None if None in states else False

    def owner(self) -> str:
        """For messages."""
        if not self.processes:
            return "another process"
        first = self.processes[0]
        return f"process {first.pid} of {first.host} ({self.command}, since {self.since})"


def lock_text(token: str, command: str, processes: Sequence[ProcessIdentity]) -> str:
    """What the lock file of these processes says, the first of which holds the lock from now on."""
    since = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
    of_processes = [asdict(process) for process in processes]
    return json.dumps({"token": token, "command": command, "since": since, "processes": of_processes})


def make_exclusively(source: Path, path: Path) -> bool:
    """Make the file `path`, with the contents of `source` in the same folder; False if it exists."""
    try:
        os.link(source, path)
    except FileExistsError:
        # NFS may say so of a link that it has made itself a moment ago.
        with suppress(OSError):
            return os.path.samestat(os.stat(source), os.stat(path, follow_symlinks=False))
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        text = source.read_text(encoding="utf-8")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    return True


def _parsed(text: bytes) -> dict[str, Any]:
    said = json.loads(text)
    processes = tuple(ProcessIdentity(**one) for one in said["processes"])
    texts = {name: said[name] for name in ("token", "command", "since")}
    known = [*texts.values(), *(text for one in processes for text in (one.host, one.boot, one.namespace))]
    numbers = [number for one in processes for number in (one.pid, one.started)]
    if not processes or not all(isinstance(one, str) and one.isprintable() and len(one) < _LONGEST for one in known):
        raise ValueError("no names")
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError("no process ids")
    return texts | {"processes": processes}
