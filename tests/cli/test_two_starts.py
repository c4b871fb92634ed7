"""Two commands in one folder: one runs, the other is refused in one line; a killed one is followed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.runs import tables
from benchmark.runs.lock import FolderLock

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = ("experiment=smoke", "trainer=cpu", "attack=pgd", "engine.max_passes=null", "run.montage=0", "data.n_test=2")

# Starts two attacks so many seconds after each other, each in a process of its own, in the folder N/run; for each N.
TWO = """
import os, sys, time
from benchmark.__main__ import main
import torch, pytorch_lightning, hydra, benchmark.cli.attack
folder, distances, *arguments = sys.argv[1:]
for number, distance in enumerate(distances.split(",")):
    place, children = f"{folder}/{number}", []
    os.mkdir(place)
    for eps, wait in ((4, 0), (32, float(distance))):
        children.append(os.fork())
        if not children[-1]:
            time.sleep(wait)
            for name, stream in (("out", 1), ("err", 2)):
                os.dup2(os.open(f"{place}/{name}{eps}", os.O_CREAT | os.O_WRONLY), stream)
            os._exit(main([*arguments, f"run.dir={place}/run", f"attacks.pgd.rule.eps={eps}"]))
    print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children), flush=True)
"""


@pytest.fixture
def attack(trained: Path, tmp_path: Path) -> tuple[str, ...]:
    """An attack on two images in tmp_path/run."""
    return ("attack", *SETTINGS, f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}", f"run.dir={tmp_path / 'run'}")


def test_a_folder_with_an_owner_is_refused_before_anything_else(command, attack, tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "run", "attack")
    lock.acquire()
    for arguments in (attack, [*attack, "judge.value=9"], ["attack", *attack[1:-1], attack[-1], "victim.ckpt=missing"]):
        outcome = command(*arguments)
        assert (outcome.status, outcome.out) == (2, "")
        (line,) = outcome.err.splitlines()
        assert line.startswith(f"error: {tmp_path / 'run'}: process {os.getpid()} of ")
        assert line.endswith(" works in this folder; wait for its end or give another folder")
        assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.lock"]
    lock.release()
    assert not (tmp_path / "run").exists()


def test_a_sweep_goes_on_with_the_runs_that_nobody_owns(command, attack, tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "run" / "0", "attack")
    lock.acquire()
    outcome = command("attack", "-m", *attack[1:], "attacks.pgd.max_steps=1,2")
    lock.release()
    assert outcome.status == 2
    (line,) = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert f"{tmp_path / 'run' / '0'}: process" in line
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"1", "multirun.yaml"}
    assert not (tmp_path / "run" / "1" / "run.lock").exists()
    assert set(tables.read(tmp_path / "run" / "1")["steps"].to_pylist()) == {2}


def test_report_leaves_a_run_in_progress_alone_and_writes_elsewhere(command, small_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_run, tmp_path / "run"))
    before = (folder / "report.html").read_bytes()
    lock = FolderLock(folder, "run")
    lock.acquire()
    refused = command("report", folder)
    assert refused.status == 2
    assert refused.err.endswith(" works in this folder; wait for its end or give --out FILE\n")
    assert command("report", folder, "--out", tmp_path / "page.html").status == 0
    assert (folder / "report.html").read_bytes() == before
    lock.release()
    assert command("report", folder).status == 0
    assert not (folder / "run.lock").exists()


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.timeout(900)
def test_of_two_starts_at_any_distance_one_runs_and_no_row_is_mixed(attack, tmp_path: Path) -> None:
    chance = random.Random(0)
    # Within a millisecond, while the first one looks around, or at any moment of its run.
    distances = [chance.choice((0.0, chance.uniform(0, 0.1), chance.uniform(0, 3))) for _ in range(20)]
    texts = ",".join(f"{distance:.4f}" for distance in distances)
    command = [sys.executable, "-c", TWO, str(tmp_path), texts, *attack[:-1]]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=800, check=True)
    refused_in_time = 0
    for number, line in enumerate(done.stdout.splitlines()):
        place = tmp_path / f"{number}"
        statuses = dict(zip((4, 32), map(int, line.split()), strict=True))
        assert sorted(statuses.values()) == [0, 2], (place / "err4").read_text() + (place / "err32").read_text()
        loser, winner = sorted(statuses, key=lambda eps: -statuses[eps])
        (told,) = (place / f"err{loser}").read_text().splitlines()
        # Afterwards the folder is refused because it holds another run.
        assert told.startswith((f"error: {place}/run: process", f"error: run.dir={place}/run holds another run: "))
        refused_in_time += "works in this folder" in told
        rows = tables.read(place / "run").to_pylist()
        assert [row["eps"] for row in rows] == [pytest.approx(winner)] * 2
        assert not [path for path in (place / "run").rglob("*") if path.name.startswith(".") or path.name == "run.lock"]
    assert number == 19
    assert refused_in_time >= 5


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmark", *arguments]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_its_folder_can_be_gone_on_with(start, attack, command, tmp_path: Path, sent: int) -> None:
    run = tmp_path / "run"
    process = start(*attack, "data.n_test=12", "attacks.pgd.max_steps=20", "attacks.pgd.stop=false", "engine.slots=1")
    while len(tables.RECORDS.parts(run)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    refused = command("attack", f"run.resume={run}")
    assert (refused.status, refused.out) == (2, "")
    assert f"error: {run}: process {process.pid} of " in refused.err
    process.send_signal(sent)
    if sent != signal.SIGKILL:  # a killed one is followed while it is a zombie
        process.wait()
    assert (run / "run.lock").exists() == (sent == signal.SIGKILL)
    outcome = command("attack", f"run.resume={run}")
    assert outcome.status == 0, outcome.err
    assert tables.read(run).num_rows == 12
    assert not [path for path in run.rglob("*") if path.name.startswith(".") or path.name == "run.lock"]
