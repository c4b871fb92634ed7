"""One owner of a run's folder at a time, on file systems of clusters too.

The lock is a file that names its owner: host, process, start of the process. It is made by `link`, which also NFS does
for one caller only; where a file system has no links, by an exclusive `open`. A lock whose processes have ended is
replaced. Whether a process of another machine has ended cannot be seen, so that an owner renews the time of its lock,
and one that is not renewed counts as left behind.

Two starters may find the same lock left behind. Each tries to make the file that names the successor of that very lock,
which only one of them can, and only that one replaces the lock.
"""

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from benchmark.atomic_files import remove_temporaries, temporary_path
from benchmark.errors import InputError, MachineError, machine_error
from benchmark.runs import layout
from benchmark.runs.lock_file import LockFile, lock_text, make_exclusively
from benchmark.runs.process_identity import ProcessIdentity

BEAT = 10.0  # seconds between two renewals of a lock
SILENCE = 60.0  # seconds without a renewal after which the owner, of another machine, counts as ended
ENDING = 1.0  # seconds that a process may still be there after it was killed
PAUSE = 0.25  # seconds between two looks at a lock

_ATTEMPTS = 100  # each of them fails because another process has done something


class FolderLock:
    """The lock of a folder, from `acquire` to `release`.

    Args:
        folder: of a run; made if it is missing.
        command: what the owner does there, for messages.
        processes: those of the owner, this one first; by default only this one.
        remedy: what a user can do instead of waiting for another owner's end.
        lost: called in a thread with one line if this process was silent for so long that another has taken the lock.
    """

    def __init__(
        self,
        folder: Path,
        command: str,
        processes: Sequence[ProcessIdentity] = (),
        *,
        remedy: str = "give another folder",
        lost: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._remedy, self._lost = f"wait for its end or {remedy}", lost
        self._folder, self._path, self._token = folder, folder / layout.LOCK, secrets.token_hex(4)
        self._text = lock_text(self._token, command, processes or [ProcessIdentity.own()])
        self._made: list[Path] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self, check_stop: Callable[[], None] = lambda: None, say: Callable[[str], None] = print) -> None:
        """Take the lock, and remove temporary files of owners that were killed.

        Args:
            check_stop: called while the lock of another process is watched; may raise.
            say: gets one line if that takes long.

        Raises:
            InputError: another process has the lock.
            MachineError: nothing can be written in the folder.
        """
        temporary = temporary_path(self._path, self._token)
        try:
            if not any(self._attempt(temporary, check_stop, say) for _ in range(_ATTEMPTS)):
                raise InputError(f"{self._folder}: its lock changes hands all the time; try again")
        except BaseException as error:
            self._remove_folders()
            if isinstance(error, OSError) and (failure := machine_error(error, self._folder)):
                raise failure from error
            raise
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        remove_temporaries(self._folder)
        self._thread = threading.Thread(target=self._renew, name="lock of the run's folder", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Remove the lock and the folders that `acquire` has made, if they are empty."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.remove()
        self._remove_folders()

    def leave(self) -> None:
        """Stop renewing the lock and let it lie: processes of its owner are still there, and it is theirs."""
        self._ended.set()

    def remove(self) -> None:
        """Remove the lock file, if it is still this one's."""
        try:
            own = self._is_own()
        except MachineError:  # too many files are open to look
            own = True
        except (OSError, InputError):
            own = False
        with suppress(OSError):
            if own:
                self._path.unlink()

    def _attempt(self, temporary: Path, check_stop: Callable[[], None], say: Callable[[str], None]) -> bool:
        """Whether the lock was taken; False: something has changed meanwhile, look again."""
        self._make_folders()
        try:
            temporary.write_text(self._text)
            os.utime(temporary)
            if make_exclusively(temporary, self._path):
                return True
            # From the lock to the successor that has been named for it, and on: all but the last have ended.
            path, chain = self._path, []
            while (lock := LockFile.read(path)) is not None:
                if not self._has_ended(lock, path, temporary, check_stop, say):
                    return False
                chain.append((path, lock.token))
                path = self._successor(lock)
                if make_exclusively(temporary, path):
                    return self._replace([*chain, (path, self._token)])
        except FileNotFoundError:  # the folder has gone, or its owner has tidied up
            pass
        return False

    def _successor(self, lock: LockFile) -> Path:
        """The file that names who comes after a lock; a temporary one, so that a later owner removes it."""
        return temporary_path(
            self._path.with_name(f"{layout.LOCK}.next"), hashlib.sha256(lock.token.encode()).hexdigest()[:8]
        )

    def _replace(self, chain: Sequence[tuple[Path, str]]) -> bool:
        """Put the last file of the chain in the place of the first, unless that has been done since it was read."""
        locks = [LockFile.read(path) for path, _ in chain]
        same = [lock and lock.token for lock in locks] == [token for _, token in chain]
        if same:
            os.replace(chain[-1][0], self._path)
        for path, _ in chain[1:] if same else chain[-1:]:
            path.unlink(missing_ok=True)
        return same

    def _has_ended(
        self, lock: LockFile, path: Path, temporary: Path, check_stop: Callable[[], None], say: Callable[[str], None]
    ) -> bool:
        """Whether the owner of a lock has ended; False if the lock has changed hands meanwhile.

        Raises InputError if the owner is alive.
        """
        begun = time.monotonic()
        # By the clock of the file system, which need not be that of this machine.
        silent = max(0, temporary.stat().st_mtime_ns - lock.renewed) / 1e9
        told = False
        while (now := LockFile.read(path)) is not None and now.token == lock.token:
            alive, passed = now.is_alive(), time.monotonic() - begun
            if alive is False or (alive is None and silent + passed >= SILENCE):
                return True
            if alive and passed >= ENDING:
                raise InputError(f"{self._folder}: {lock.owner()} works in this folder; {self._remedy}")
            if alive is None and now.renewed != lock.renewed:
                gone = f"if it has ended, remove {self._path}"
                raise InputError(f"{self._folder}: {lock.owner()} works in this folder; {self._remedy}; {gone}")
            if alive is None and not told:
                told = True
                left = f"up to {SILENCE - silent:.0f} s"
                say(f"{self._folder}: looking for {left} whether {lock.owner()} still works in this folder")
            check_stop()
            time.sleep(PAUSE)
        return False

    def _renew(self) -> None:
        while not self._ended.wait(BEAT):
            with suppress(OSError, InputError, MachineError):
                lock = LockFile.read(self._path)
                if lock is not None and lock.token != self._token:
                    self._lost(f"{self._folder}: {lock.owner()} has taken this folder over")
                    return
                os.utime(self._path)

    def _is_own(self) -> bool:
        lock = LockFile.read(self._path)
        return lock is not None and lock.token == self._token

    def _make_folders(self) -> None:
        missing = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        for path in reversed(missing):
            with suppress(FileExistsError):
                path.mkdir()
                self._made.append(path)

    def _remove_folders(self) -> None:
        for path in reversed(self._made):
            with suppress(OSError):
                path.rmdir()
        self._made = []
