"""On a real Slurm: jobs of several tasks, and sweeps whose runs are jobs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.runs import tables
from tests.cluster.slurm_jobs import without_slurm

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SMOKE = ("experiment=smoke", "trainer=cpu", "run.montage=0", "hydra.launcher.timeout_min=10")

TWO_TASKS = f"""\
srun --kill-on-bad-exit=1 {sys.executable} -c '
import os
print("task", os.environ["SLURM_PROCID"], "of", os.environ["SLURM_NTASKS"], flush=True)'
"""

# Ends at the first TERM and is requeued; says at its second start that all is well.
REQUEUED = """\
echo "start ${SLURM_RESTART_COUNT:-0}"
[ "${SLURM_RESTART_COUNT:-0}" -eq 0 ] || exit 0
srun bash -c 'trap "exit 143" TERM; echo ready; for i in $(seq 600); do sleep 0.1; done'
status=$?
echo "srun ended with $status"
[ "$status" -ne 143 ] || scontrol requeue "$SLURM_JOB_ID"
exit "$status"
"""

# Two tasks train a victim, attack with it and merge their rows.
WHOLE_RUN = """\
export OMP_NUM_THREADS=1
srun --kill-on-bad-exit=1 {python} -m benchmark run experiment=smoke trainer=multinode trainer.accelerator=cpu \\
    run.montage=0 data.n_test=7 run.dir={folder} {more}
status=$?
[ "$status" -ne 143 ] || scontrol requeue "$SLURM_JOB_ID"
exit "$status"
"""


@pytest.fixture
def sweep(slurm, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `run -m hydra/launcher=slurm` over the smoke experiment, with the sweep in tmp_path/sweep."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")

    def run(*overrides: str) -> subprocess.CompletedProcess[str]:
        name = slurm.owns(f"sweep-{tmp_path.name}")
        arguments = ["hydra/launcher=slurm", *SMOKE, f"run.name={name}", f"run.dir={tmp_path / 'sweep'}", *overrides]
        return subprocess.run(
            [sys.executable, "-m", "benchmark", "run", "-m", *arguments],
            cwd=REPOSITORY,
            env=without_slurm() | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def test_two_tasks_run_side_by_side(slurm) -> None:
    job = slurm.submit(TWO_TASKS, "--ntasks-per-node=2")
    assert slurm.wait(job) == "COMPLETED", slurm.output(job)
    assert sorted(slurm.output(job).splitlines()) == ["task 0 of 2", "task 1 of 2"]


def test_a_terminated_job_can_requeue_itself(slurm) -> None:
    job = slurm.submit(REQUEUED, "--ntasks-per-node=2", "--requeue")
    slurm.wait_for_output(job, "ready\nready")
    slurm.signal(job, "TERM")
    assert slurm.wait(job, timeout=240) == "COMPLETED", slurm.output(job)
    assert slurm.field(job, "Restarts") == "1"
    lines = slurm.output(job).splitlines()
    assert [line for line in lines if line.startswith(("start", "srun ended"))] == [
        "start 0",
        "srun ended with 143",
        "start 1",
    ]


def test_two_tasks_train_attack_and_merge(slurm, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    job = slurm.submit(WHOLE_RUN.format(python=sys.executable, folder=folder, more=""), "--ntasks-per-node=2")
    assert slurm.wait(job, timeout=300) == "COMPLETED", slurm.output(job)
    assert tables.read(folder)["id"].to_pylist() == [f"test_{i:05d}" for i in range(7)]
    assert (folder / "records.parquet").exists()
    assert (folder / "summary.json").exists()
    said = slurm.output(job)
    assert said.count("trained 2 epochs") == 1
    assert "process 0: 4 rows" in said
    assert "process 1: 3 rows" in said


def test_a_terminated_run_goes_on_when_it_is_requeued(slurm, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    long = "engine.max_passes=null attacks.asma.stop=false attacks.asma.max_steps=150 engine.slots=1"
    script = WHOLE_RUN.format(python=sys.executable, folder=folder, more=long)
    job = slurm.submit(script, "--ntasks-per-node=2", "--requeue")
    slurm.until(job, lambda: len(tables.RECORDS.parts(folder)) >= 2, "attack two images", 300)
    slurm.signal(job, "TERM")
    assert slurm.wait(job, timeout=400) == "COMPLETED", slurm.output(job)
    assert slurm.field(job, "Restarts") == "1"
    said = slurm.output(job)
    assert said.count("trained 2 epochs") == 1, said
    assert f"going on with the run in {folder}: " in said
    assert tables.read(folder)["id"].to_pylist() == [f"test_{i:05d}" for i in range(7)]


def test_every_run_of_a_sweep_is_a_job(sweep, tmp_path: Path) -> None:
    done = sweep("victim=unet,fpn", "seed=0,1")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "sweep"
    assert sorted(path.parent.name for path in folder.glob("*/records.parquet")) == ["0", "1", "2", "3"]
    rows = [tables.read(folder / str(number)) for number in range(4)]
    assert [table.num_rows for table in rows] == [4, 4, 4, 4]
    told = [(set(table["victim"].to_pylist()), set(table["seed"].to_pylist())) for table in rows]
    assert told == [({f"{name}_resnet18"}, {seed}) for name in ("unet", "fpn") for seed in (0, 1)]
    assert len(list(folder.glob(".submitit/*/*_0_result.pkl"))) == 4


def test_a_bad_run_of_a_sweep_is_told_where_the_sweep_was_started(sweep, tmp_path: Path) -> None:
    done = sweep("engine.max_passes=1,24")
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: engine.max_passes=1: allows asma no step; give at least 6 (in the run ")
    assert [path.parent.name for path in (tmp_path / "sweep").glob("*/records.parquet")] == ["1"]
