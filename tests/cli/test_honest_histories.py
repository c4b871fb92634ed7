"""`verify` gives no alarm on honest runs that were interrupted, resumed or moved, and on those of several processes."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.evaluation.row_writer import RowWriter
from benchmark.runs import tables
from tests.miniatures import WRITERS

SHORT = ("trainer=cpu", "data.size=32", "run.montage=0", "engine.max_passes=12", "attack=[asma,pgd]")
BRIGHT = ("victim=python", "victim.factory=tests.cli.honest_networks:bright")
NETWORK = ("--network", "victim.factory=tests.cli.honest_networks:bright")
CLEAR = ("data=folder", "data.fractions=[.25,.25,.5]", "defence=[jpeg]", "victim.window=16")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    WRITERS["folder"](tmp_path / "pairs")
    return tmp_path / "pairs"


@pytest.fixture
def interrupted(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs `attack`, which is interrupted when so many rows have been written."""

    def run(rows: int, *arguments: str) -> None:
        write, written = RowWriter.write, []

        def counting(self: RowWriter, *given: Any) -> Any:
            written.append(given)
            if len(written) == rows:
                os.kill(os.getpid(), signal.SIGINT)
            return write(self, *given)

        with monkeypatch.context() as patch:
            patch.setattr(RowWriter, "write", counting)
            outcome = command("attack", *SHORT, *arguments)
        assert outcome.status == 130, outcome

    return run


def verified(command: Callable[..., Any], folder: Path, *options: str | Path) -> str:
    outcome = command("verify", folder, *options)
    assert (outcome.status, outcome.out.count("\n")) == (0, 1), outcome
    return str(outcome.out)


def test_folder_and_data_move_between_interruption_and_resume(command, interrupted, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine" / "first"
    interrupted(3, *CLEAR, f"data.root={data}", *BRIGHT, f"run.dir={run}")
    outcome = command("verify", run, *NETWORK)
    assert outcome.status == 3, outcome  # as recorded so far
    moved, pairs = tmp_path / "elsewhere", tmp_path / "copied"
    shutil.move(run, moved)
    shutil.move(data, pairs)
    resumed = command("attack", f"run.resume={moved}", BRIGHT[1], f"data.root={pairs}", "engine.slots=2")
    assert resumed.status == 0, resumed
    assert {(row["run"], row["data"]) for row in tables.read(moved).to_pylist()} == {("mine/first", "pairs")}
    verified(command, moved, *NETWORK, "--data-root", pairs)
    # Back under its first name the data need no option.
    shutil.move(pairs, data)
    verified(command, moved, *NETWORK)


def test_data_that_a_link_leads_to(command, data: Path, tmp_path: Path) -> None:
    shutil.move(data, tmp_path / "disk1")
    data.symlink_to(tmp_path / "disk1")
    run = tmp_path / "run"
    made = command("attack", *SHORT, *CLEAR, f"data.root={data}", *BRIGHT, f"run.dir={run}")
    assert made.status == 0, made
    shutil.move(tmp_path / "disk1", tmp_path / "disk2")
    data.unlink()
    data.symlink_to(tmp_path / "disk2")
    verified(command, run, *NETWORK)


@pytest.mark.slow
@pytest.mark.parallel
def test_a_program_and_a_checkpoint_that_move(command, interrupted, data: Path, tmp_path: Path) -> None:
    import torch

    from tests.cli.honest_networks import bright

    program, given = tmp_path / "bright.ts", ("data=folder", "data.fractions=[.25,.25,.5]", f"data.root={data}")
    torch.jit.script(bright()).save(str(program))
    run = tmp_path / "run"
    interrupted(2, *given, "victim=torchscript", f"victim.program={program}", f"run.dir={run}")
    moved = Path(shutil.move(program, tmp_path / "renamed.ts"))
    resumed = command("attack", f"run.resume={run}", "victim=torchscript", f"victim.program={moved}")
    assert resumed.status == 0, resumed
    verified(command, run, "--network", f"victim.program={moved}")

    trained, attacked = tmp_path / "trained", tmp_path / "attacked"
    small = ("victim.encoder=mobilenet_v2", "victim.options={decoder_channels:[8,8,8,4,4]}", "trainer.max_epochs=1")
    assert command("train", *SHORT, *given, *small, f"run.dir={trained}").status == 0
    checkpoint = trained / "checkpoints" / "best.ckpt"
    interrupted(2, *given, f"victim.ckpt={checkpoint}", f"run.dir={attacked}")
    elsewhere = Path(shutil.move(checkpoint, tmp_path / "elsewhere.ckpt"))
    resumed = command("attack", f"run.resume={attacked}", f"victim.ckpt={elsewhere}")
    assert resumed.status == 0, resumed
    verified(command, attacked, "--ckpt", elsewhere)


@pytest.mark.slow
@pytest.mark.parametrize("sharding", ["static", "dynamic"])
def test_two_processes(command, data: Path, tmp_path: Path, sharding: str) -> None:
    run = tmp_path / "run"
    two = ("trainer=ddp_cpu", "trainer.devices=2", f"sharding={sharding}", f"data.root={data}", f"run.dir={run}")
    subprocess.run(
        [sys.executable, "-m", "benchmark", "attack", *SHORT, *CLEAR, *BRIGHT, *two],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=240,
    )
    verified(command, run, *NETWORK)
    # Interrupted and gone on with by one process.
    rows = tables.read(run).to_pylist()
    (run / "records.parquet").unlink()
    tables.Writer(run, tables.RECORDS).append(rows[:5])
    resumed = command("attack", f"run.resume={run}", BRIGHT[1], "trainer=cpu")
    assert resumed.status == 0, resumed
    verified(command, run, *NETWORK)


@pytest.mark.slow
@pytest.mark.parallel
def test_a_run_that_is_interrupted_while_it_trains(command, data: Path, tmp_path: Path, monkeypatch) -> None:
    from benchmark.victims.task import Victim

    run, steps = tmp_path / "run", []
    step = Victim.training_step

    def counting(self: Victim, batch: Any, batch_idx: int) -> Any:
        steps.append(batch_idx)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, batch_idx)

    small = ("victim.encoder=mobilenet_v2", "victim.options={decoder_channels:[8,8,8,4,4]}", "trainer.max_epochs=3")
    given = ("data=folder", "data.fractions=[.5,.25,.25]", f"data.root={data}", "data.batch_size=2")
    with monkeypatch.context() as patch:
        patch.setattr(Victim, "training_step", counting)
        stopped = command("run", *SHORT, *given, *small, f"run.dir={run}")
    assert stopped.status == 130, stopped
    moved = Path(shutil.move(run, tmp_path / "moved"))
    resumed = command("run", f"run.resume={moved}")
    assert resumed.status == 0, resumed
    verified(command, moved)
