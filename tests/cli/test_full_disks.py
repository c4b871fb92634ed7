"""Full disks, read-only folders and limits of the system: one line, status 1, and no half of a file."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.runs import tables

SETTINGS = ("experiment=smoke", "trainer=cpu", "engine.max_passes=8", "data.n_test=3", "run.montage=1")


@pytest.fixture
def attack(trained: Path, tmp_path: Path) -> tuple[str, ...]:
    """Two attacks on three images in tmp_path/run."""
    checkpoint = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"
    return ("attack", *SETTINGS, "attack=[asma,pgd]", checkpoint, f"run.dir={tmp_path / 'run'}")


pytestmark = pytest.mark.slow


@contextmanager
def _limit(what: int, value: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


@contextmanager
def _few_files(free: int) -> Iterator[None]:
    """In the block so many files can be opened, no more."""
    with _limit(resource.RLIMIT_NOFILE, 300):
        opened = []
        try:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        for _ in range(free):
            os.close(opened.pop())
        try:
            yield
        finally:
            for file in opened:
                os.close(file)


def _last_line(err: str) -> str:
    """The line of the error, which follows nothing but progress bars and what the victim's check says."""
    *before, line = err.splitlines()
    of_the_check = ("checking the victim on ", "warning: victim: ")
    assert not [one for one in before if "/s" not in one and one.strip() and not one.startswith(of_the_check)], err
    return line


def _half_written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.name == "run.lock"]


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (400, "nothing had been finished"),
        (4000, "nothing had been finished"),
        (40_000, "6 rows are kept; to go on: python -m benchmark attack run.resume="),
        (100_000, "6 rows are kept; to go on: python -m benchmark attack run.resume="),
    ],
)
def test_files_that_become_too_large(command, attack, tmp_path: Path, size: int, kept: str) -> None:
    with _limit(resource.RLIMIT_FSIZE, size):
        outcome = command(*attack)
    assert outcome.status == 1, outcome
    line = _last_line(outcome.err)
    assert line.startswith(f"error: {tmp_path / 'run'}/")
    assert f": File too large; allow larger files, see ulimit -f; {kept}" in line
    assert _half_written(tmp_path) == []
    assert (tmp_path / "run").exists() == ("rows" in kept)
    assert command(*attack).status == 0
    assert tables.read(tmp_path / "run").num_rows == 6


def test_an_output_that_is_full() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "benchmark", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: the output: No space left on device; free space there\n")


@pytest.mark.parametrize("free", [0, 2])
def test_too_many_open_files(command, attack, tmp_path: Path, free: int) -> None:
    command("attack", *SETTINGS, "judge.value=9")  # imports what it needs
    with _few_files(free):
        outcome = command(*attack)
    if outcome.status:
        assert outcome.status == 1, outcome
        assert ": Too many open files; allow more open files, see ulimit -n" in _last_line(outcome.err)
    assert _half_written(tmp_path) == []
    assert not (tmp_path / "run").exists() or outcome.status == 0 or "rows are kept" in outcome.err


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a file system with these options, where that is allowed, and unmounts it in the end."""
    places: list[Path] = []

    def made(options: str) -> Path:
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
        places.append(place)
        return place

    yield made
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.skipif(os.environ.get("CI") == "true" and os.geteuid() != 0, reason="only root may mount")
class TestSmallFileSystems:
    """File systems that are full or read-only."""

    def test_a_full_disk_keeps_its_rows(self, command, attack, disk) -> None:
        place = disk("size=120k")
        *settings, _ = attack
        outcome = command(*settings, f"run.dir={place / 'run'}")
        assert outcome.status == 1, outcome
        line = _last_line(outcome.err)
        assert ": No space left on device; free space there; " in line
        assert "rows are kept; to go on: " in line
        assert _half_written(place) == []
        subprocess.run(["mount", "-o", "remount,size=20m", place], check=True)
        assert command("attack", f"run.resume={place / 'run'}").status == 0
        assert tables.read(place / "run").num_rows == 6

    def test_a_read_only_run_can_be_looked_at(self, command, small_run: Path, disk, tmp_path: Path) -> None:
        place = disk("size=200m")
        run = Path(shutil.copytree(small_run, place / "run"))
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        for arguments in (
            *(["report", run], ["run", f"run.resume={run}"], ["export", run, "--attack", "asma", "--card", run / "c"]),
            ["transfer", run, "--victims", "x", "--out", place / "new"],
            ["data", "check", "synthetic", "--out", run / "d"],
            ["run", *SETTINGS, f"run.dir={place / 'new'}"],
        ):
            outcome = command(*arguments)
            assert outcome.status == 1, outcome
            assert _last_line(outcome.err).endswith(": Read-only file system; choose a place that can be written")
        assert command("report", run, "--out", tmp_path / "page.html").status == 0
        assert command("verify", run).status == 0
