"""A folder has one owner; what a killed owner has left is taken over, by one process only."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.runs import lock as lock_module
from benchmark.runs.lock import FolderLock
from benchmark.runs.lock_file import lock_text
from benchmark.runs.process_identity import ProcessIdentity

REPOSITORY = Path(__file__).resolve().parents[2]

HOLD = """
import sys, time
from pathlib import Path
from benchmark.runs.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), "run")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
lock.release()
"""
# Waits for a moment that all have agreed on, and holds what it gets.
RACE = """
import sys, time
from pathlib import Path
from benchmark.errors import InputError
from benchmark.runs import lock as lock_module
lock_module.ENDING = lock_module.PAUSE = 0.05
lock = lock_module.FolderLock(Path(sys.argv[1]), "run")
time.sleep(max(0, float(sys.argv[2]) - time.time()))
try:
    lock.acquire()
except InputError:
    print("refused", flush=True)
else:
    print("held", flush=True)
sys.stdin.read()
"""
NO_LINKS = """
import errno, os
def link(*_):
    raise OSError(errno.EPERM, "no links here")
os.link = link
"""
ELSEWHERE = replace(ProcessIdentity.own(), host="elsewhere", boot="another", pid=1)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses at once who asks for a folder with a living owner."""
    monkeypatch.setattr(lock_module, "ENDING", 0.1)
    monkeypatch.setattr(lock_module, "PAUSE", 0.02)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs a script with the repository on its path."""
    started: list[subprocess.Popen[str]] = []

    def run(script: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _left_by(folder: Path, process: ProcessIdentity, *, seconds_ago: float = 0) -> Path:
    """The lock file of a process, renewed so long ago."""
    path = folder / "run.lock"
    folder.mkdir(exist_ok=True)
    path.write_text(lock_text("0" * 8, "attack", [process]))
    renewed = time.time() - seconds_ago
    os.utime(path, (renewed, renewed))
    return path


def _takes(folder: Path) -> bool:
    """Whether this process can own the folder; afterwards nothing of the lock is left."""
    lock = FolderLock(folder, "run")
    lock.acquire()
    assert [path.name for path in folder.iterdir()] == ["run.lock"]
    lock.release()
    return not folder.exists() or not list(folder.iterdir())


def test_the_second_is_refused_in_one_line_and_leaves_nothing(start, tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path / "a" / "run")
    assert _first_line(holder) == "held"
    since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    owner = rf"process {holder.pid} of \S+ \(run, since {since}\)"
    with pytest.raises(InputError, match=rf"^{tmp_path}/a/run: {owner} works in this folder; wait for its end or give"):
        FolderLock(tmp_path / "a" / "run", "attack").acquire()
    assert [path.name for path in (tmp_path / "a" / "run").iterdir()] == ["run.lock"]
    holder.communicate("")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    assert _takes(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    assert _takes(tmp_path / "there")
    assert (tmp_path / "there").is_dir()


def test_a_killed_owner_is_followed_also_while_nobody_has_asked_after_it(
    start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    holder = start(HOLD, tmp_path / "run")
    assert _first_line(holder) == "held"
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / ".last.ckpt.0123abcd.tmp").write_text("half")
    (tmp_path / "run" / ".metrics.csv.0123abcd.tmp").write_text("half")
    (tmp_path / "run" / ".git").write_text("a user's")
    os.kill(holder.pid, signal.SIGKILL)
    monkeypatch.setattr(lock_module, "ENDING", 10)
    lock = FolderLock(tmp_path / "run", "run")
    lock.acquire()  # the process is a zombie of this one
    kept = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*")}
    assert kept == {"run.lock", "checkpoints", ".git"}
    lock.release()


def test_the_number_of_an_ended_process_may_be_given_to_another(tmp_path: Path) -> None:
    own = ProcessIdentity.own()
    assert own.is_alive()
    _left_by(tmp_path / "run", replace(own, started=own.started - 1))
    assert _takes(tmp_path / "run")


@pytest.mark.parametrize(
    "process",
    [ELSEWHERE, replace(ProcessIdentity.own(), boot="before"), replace(ProcessIdentity.own(), namespace="container")],
    ids=["another machine", "before a restart", "another container"],
)
def test_a_process_that_cannot_be_seen_has_ended_when_it_is_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, process: ProcessIdentity
) -> None:
    assert process.is_alive() is None
    _left_by(tmp_path / "run", process, seconds_ago=61)
    assert _takes(tmp_path / "run")
    monkeypatch.setattr(lock_module, "SILENCE", 0.5)
    _left_by(tmp_path / "run", process, seconds_ago=-3600)  # by a clock that was wrong
    begun, said = time.monotonic(), []
    FolderLock(tmp_path / "run", "run").acquire(say=said.append)
    assert time.monotonic() - begun >= 0.5
    (line,) = said
    assert line.startswith(f"{tmp_path}/run: looking for up to 0 s whether process {process.pid} of {process.host}")


def test_a_process_that_cannot_be_seen_is_alive_when_it_renews_its_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = _left_by(tmp_path / "run", ELSEWHERE)
    told = rf"process 1 of elsewhere \(attack, since .*\) works in .* if it has ended, remove {path}$"
    with pytest.raises(InputError, match=told):
        FolderLock(tmp_path / "run", "run").acquire(say=lambda _: os.utime(path, (1, 1)))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.lock"]


def test_all_processes_of_an_owner_count(start, tmp_path: Path) -> None:
    ended = replace(ProcessIdentity.own(), started=1)
    (tmp_path / "run.lock").write_text(lock_text("0" * 8, "run", [ended, ProcessIdentity.own()]))
    with pytest.raises(InputError, match="works in this folder"):
        FolderLock(tmp_path, "run").acquire()


def test_an_owner_renews_its_lock_and_learns_that_it_has_lost_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lock_module, "BEAT", 0.05)
    lost: list[str] = []
    lock, path = FolderLock(tmp_path, "run", lost=lost.append), tmp_path / "run.lock"
    lock.acquire()
    os.utime(path, (1, 1))
    end = time.monotonic() + 20
    while path.stat().st_mtime == 1 and time.monotonic() < end:
        time.sleep(0.01)
    assert path.stat().st_mtime > 1
    _left_by(tmp_path, ELSEWHERE)
    while not lost and time.monotonic() < end:
        time.sleep(0.01)
    assert len(lost) == 1
    assert "process 1 of elsewhere" in lost[0]
    lock.release()
    assert path.exists(), "it is another's"


@pytest.mark.parametrize("links", [True, False])
def test_of_many_that_find_a_lock_left_behind_one_gets_it(start, tmp_path: Path, links: bool) -> None:
    script = RACE if links else f"{NO_LINKS}{RACE}"
    folder = tmp_path / "run"
    folder.mkdir()
    for round_ in range(2):
        if round_:
            _left_by(folder, replace(ProcessIdentity.own(), started=1))
        racers = [start(script, folder, time.time() + 0.6) for _ in range(5)]
        with ThreadPoolExecutor(5) as pool:
            assert sorted(pool.map(_first_line, racers)) == ["held", *["refused"] * 4]
        assert [path.name for path in folder.iterdir()] == ["run.lock"]
        for racer in racers:  # the next round finds the lock of a killed process
            racer.kill()
            racer.wait()


def test_a_takeover_that_was_killed_halfway_is_taken_over(tmp_path: Path) -> None:
    ended = replace(ProcessIdentity.own(), started=1)
    _left_by(tmp_path, ended)
    lock = FolderLock(tmp_path, "run")
    halfway = lock._successor(lock_module.LockFile.read(tmp_path / "run.lock"))  # type: ignore[arg-type]
    halfway.write_text(lock_text("1" * 8, "run", [ended]))
    lock.acquire()
    assert json.loads((tmp_path / "run.lock").read_text())["processes"] == [asdict(ProcessIdentity.own())]
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
    lock.release()


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 10_000, b'{"processes": []}', b"\xff", b'{"processes": [{"pid": -1}]}']
)
def test_a_lock_that_says_nothing_counts_as_one_that_cannot_be_seen(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "run.lock").write_bytes(text)
    os.utime(tmp_path / "run.lock", (1, 1))
    assert _takes(tmp_path)
