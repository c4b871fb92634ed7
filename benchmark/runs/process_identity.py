"""Which process, of which machine, since when: so that another process can tell whether it is still there."""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_STATE, _STARTED = 0, 19  # fields of /proc/PID/stat, counted from behind the name of the program
_ENDED = ("Z", "X")  # states of a process that has ended and that its parent has not asked after


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """A process of this or another machine.

    Attributes:
        host: name of the machine.
        boot: id of the machine's present start; empty where there is no /proc.
        namespace: of process ids, which a container has of its own; empty where there is no /proc.
        pid: the process id, which another process may get later.
        started: clock ticks from the machine's start to that of the process; 0 where there is no /proc.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    @classmethod
    def own(cls) -> Self:
        """This process."""
        pid = os.getpid()
        _, started = _state(pid) or ("", 0)
        return cls(host=socket.gethostname(), boot=_boot(), namespace=_namespace(), pid=pid, started=started)

    def is_alive(self) -> bool | None:
        """Whether the process is there; None if that cannot be seen from here, as for one of another machine."""
        if (self.host, self.boot, self.namespace) != (socket.gethostname(), _boot(), _namespace()):
            return None
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:  # it is there, and another user's
            pass
        if not _PROC.is_dir():
            return True
        state = _state(self.pid)
        # Systems can hide the processes of other users.
        return None if state is None else state[0] not in _ENDED and state[1] == self.started


@cache
def _boot() -> str:
    return _text(_PROC / "sys/kernel/random/boot_id")


@cache
def _namespace() -> str:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""


def _state(pid: int) -> tuple[str, int] | None:
    """The state of a process, one letter, and its start in clock ticks; None if it cannot be read."""
    fields = _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (fields[_STATE], int(fields[_STARTED])) if len(fields) > _STARTED else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
