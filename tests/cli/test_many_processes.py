"""Several processes, killed and resumed ones too, give the rows that one undisturbed process gives."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs import tables

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).resolve().parents[2]
TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node", "3", "-m", "benchmark")
# Attacks that differ in length from image to image, and one that needs what another has made.
ATTACKS = (
    *("attacks.noise.equal_norm=asma", "attacks.noise.rule.norm=2"),
    *("engine.max_passes=null", "attacks.asma.max_steps=12", "judge.value=0.3", "engine.slots=2", "run.montage=0"),
)
# Also one that starts from what the same images were at a smaller budget, and from scratch, too.
GRID = ("+attacks.pgd.budgets=[8,2]", "warm_start=true", "attacks.pgd.max_steps=8", "cold_images=3")
LONG = ("attacks.asma.stop=false", "attacks.asma.max_steps=40", "data.n_test=20")


class Started:
    """`python -m benchmark attack` in a process group of its own."""

    def __init__(self, folder: Path, *arguments: str, by: tuple[str, ...] = ("-m", "benchmark")) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, *by, "attack", "experiment=smoke", *arguments, f"run.dir={folder}"],
            cwd=REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, timeout: float = 240) -> tuple[int, str]:
        """Status and stderr of the finished process."""
        _, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, err

    def wait_for_rows(self, number: int) -> None:
        while len(tables.RECORDS.parts(self.folder)) < number and self.process.poll() is None:
            time.sleep(0.02)

    def processes(self) -> list[int]:
        """The processes this one has started."""
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split() if Path(f"/proc/{pid}").exists()]


@pytest.fixture
def start(trained: Path, tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts an attack of the trained victim in tmp_path/NAME."""
    started: list[Started] = []

    def begin(name: str, *arguments: str, **options: Any) -> Started:
        checkpoint = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"
        chosen = f"attack=[asma,noise{',pgd' * (GRID[0] in arguments)}]"
        started.append(Started(tmp_path / name, checkpoint, chosen, *ATTACKS, *arguments, **options))
        return started[-1]

    yield begin
    for one in started:
        for pid in [*one.processes(), one.process.pid]:
            if one.process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        one.process.wait()


def assert_same_rows(folder: Path, expected: Path) -> None:
    """Every column but the times and the name of the run, to 1e-6; traces and summary too."""
    rows, others = (tables.read(path).to_pylist() for path in (folder, expected))
    assert [(row["attack"], row["id"]) for row in rows] == [(row["attack"], row["id"]) for row in others]
    for row, other in zip(rows, others, strict=True):
        for name, value in other.items():
            if name not in ("run", "seconds"):
                assert row[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), name
    assert tables.TRACES.keys(folder) == tables.TRACES.keys(expected)
    summary, other = (json.loads((path / "summary.json").read_text()) for path in (folder, expected))
    assert _without_times(summary) == _with_room(_without_times(other))


def _without_times(node: Any) -> Any:
    """A summary without what depends on the clock or the folder's name."""
    if isinstance(node, dict):
        return {name: _without_times(value) for name, value in node.items() if name not in ("run", "seconds")}
    return [_without_times(value) for value in node] if isinstance(node, list) else node


def _with_room(node: Any) -> Any:
    """The same with its numbers to 1e-6."""
    if isinstance(node, dict):
        return {name: _with_room(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_room(value) for value in node]
    return pytest.approx(node, abs=1e-6) if isinstance(node, float) else node


@pytest.mark.parametrize("precision", ["64", "32"])
def test_rows_do_not_depend_on_processes(start, tmp_path: Path, precision: str) -> None:
    options = ("data.n_test=7", f"engine.precision={precision}", *(GRID if precision == "64" else ()))
    cases: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
        "one": (("trainer=cpu",), {}),
        "static": (("trainer=ddp_cpu", "trainer.devices=2"), {}),
        "dynamic": (("trainer=ddp_cpu", "trainer.devices=2", "sharding=dynamic"), {}),
        "torchrun": (("trainer=ddp_cpu",), {"by": TORCHRUN}),
    }
    for name, (arguments, how) in cases.items():
        status, err = start(name, *options, *arguments, **how).end()
        assert status == 0, err
    for name in ("static", "dynamic", "torchrun"):
        if precision == "64":
            assert_same_rows(tmp_path / name, tmp_path / "one")
        else:
            _assert_same_means(tmp_path / name, tmp_path / "one")


def _assert_same_means(folder: Path, expected: Path) -> None:
    rows = [tables.read(path) for path in (folder, expected)]
    assert rows[0]["success8"].to_pylist() == rows[1]["success8"].to_pylist()
    for column in ("adv_iou_target", "adv8_iou_target", "adv_iou_truth", "l2", "linf"):
        one, other = (sum(table[column].to_pylist()) / table.num_rows for table in rows)
        assert one == pytest.approx(other, abs=0.01), column


@pytest.mark.parametrize(
    ("images", "trainer"),
    [(20, ("trainer=cpu",)), (60, ("trainer=ddp_cpu", "trainer.devices=2"))],
    ids=["one process", "two processes"],
)
def test_ten_kills_lose_nothing_and_change_nothing(
    start, tmp_path: Path, images: int, trainer: tuple[str, ...]
) -> None:
    same = (*LONG, *GRID, f"data.n_test={images}", "engine.precision=64")
    status, err = start("whole", *same, "trainer=cpu").end()
    assert status == 0, err
    chance, folder, options = random.Random(0), tmp_path / "killed", (*same, *trainer)
    kills = 0
    while kills < 10:
        running = start("killed", *options)
        # About three more rows each time; now and then in the middle of one.
        running.wait_for_rows(len(tables.RECORDS.parts(folder)) + chance.randint(1, 4))
        time.sleep(chance.uniform(0, 0.2))
        assert running.process.poll() is None, running.end()
        processes = running.processes()
        # The one that was started; or one of the two that it has started; or all.
        killed = chance.choice(
            [[running.process.pid], *([pid] for pid in processes), [running.process.pid, *processes]]
        )
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        running.process.wait()
        _wait_for_end(processes)
        kills += 1
    status, err = start("killed", *options).end()
    assert status == 0, err
    assert tables.read(folder).num_rows == 4 * images
    assert_same_rows(folder, tmp_path / "whole")
    assert not [path for path in folder.rglob("*") if path.name.startswith(".") or path.name == "run.lock"]


def _wait_for_end(processes: list[int]) -> None:
    end = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in processes) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)


def test_terminated_processes_end_soon_and_keep_their_rows(start) -> None:
    running = start("terminated", *LONG, "trainer=ddp_cpu", "trainer.devices=2")
    running.wait_for_rows(6)
    begun = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    status, err = running.end()
    assert time.monotonic() - begun < 10
    assert status == 143, err
    kept = tables.read(running.folder).num_rows
    assert kept >= 6
    told = re.search(r"terminated: at least (\d+) rows are kept; to go on: python -m benchmark (.*)\n", err)
    assert told, err
    assert kept - 1 <= int(told[1]) <= kept, "of two processes one may still have been writing"
    assert told[2] == f"attack run.resume={running.folder}"
    assert "Traceback" not in err


@pytest.mark.parametrize("victim", [0, 1])
def test_the_end_of_one_process_is_the_end_of_all(start, victim: int) -> None:
    running = start("broken", *LONG, "trainer=ddp_cpu", "trainer.devices=2")
    running.wait_for_rows(6)
    begun = time.monotonic()
    os.kill(running.processes()[victim], signal.SIGKILL)
    status, err = running.end()
    assert time.monotonic() - begun < 30
    assert status == 1, err
    assert f"error: process {victim} was ended by SIGKILL; the others were stopped" in err
    assert tables.read(running.folder).num_rows >= 6


def test_processes_do_not_outlive_the_one_that_started_them(start) -> None:
    running = start("orphaned", *LONG, "trainer=ddp_cpu", "trainer.devices=2")
    running.wait_for_rows(6)
    processes = running.processes()
    assert len(processes) == 2
    running.process.kill()
    running.process.wait()
    _wait_for_end(processes)


def test_bad_input_is_said_once(start) -> None:
    status, err = start("bad", "trainer=ddp_cpu", "trainer.devices=2", "data.size=0").end()
    assert status == 2
    assert err.splitlines() == ["error: data.size=0: must be at least 8"]


def test_a_victim_trained_by_two_processes_is_attacked_by_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmark", "run", "experiment=smoke", "trainer=ddp_cpu", "trainer.devices=2"),
            *("training.attack_every=1", "data.n_val=3", f"run.dir={tmp_path / 'run'}"),
        ],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert tables.read(tmp_path / "run").num_rows == 4
    assert (tmp_path / "run" / "summary.json").exists()
    assert "val_attack/asma/success8_rate" in (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0]
    assert done.stdout.count("trained 2 epochs") == 1
    assert "process 1: 2 rows" in done.stdout
