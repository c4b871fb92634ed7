"""docker/slurm.sbatch on a real Slurm, with a stand-in for `python -m benchmark`."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.slurm_jobs import call

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "docker" / "slurm.sbatch"
# This machine in place of two with eight GPUs each.
OPTIONS = ("--nodes=1", "--cpus-per-task=1", "--gpus-per-node=0", "--time=10")

# Each task adds a line to a file of its own in run.dir, and then does as seed= says in this start of the job.
STAND_IN = """\
import os, signal, sys, time
from pathlib import Path

given = dict(argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument)
if "--show-config" in sys.argv:
    sys.exit(2 if "sead" in given else 0)
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
start, rank = int(os.environ.get("SLURM_RESTART_COUNT", "0")), os.environ["SLURM_PROCID"]
folder = Path(given.get("run.resume") or given["run.dir"])
folder.mkdir(parents=True, exist_ok=True)
with (folder / rank).open("a") as file:
    print(start, os.environ["SLURM_CPUS_PER_TASK"], *sys.argv[1:], file=file)
what = given["seed"].split(",")[start]
print(f"ready {start}", flush=True)
if what == "wait" or (what == "fail" and rank == "0"):
    time.sleep(60)
sys.exit(0 if what == "end" else 3)
"""


@pytest.fixture
def submit(slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Submits the script; the stand-in does at each start of the job what `starts` lists: wait, fail, end."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHON", f"{sys.executable} {tmp_path / 'stand_in.py'}")

    def submit_job(starts: str, *further: str, tasks: int = 2, restarts: int = 8) -> int:
        monkeypatch.setenv("RESTARTS", str(restarts))
        arguments = [f"seed={starts}", "target.path=two words", *further]
        options = [*OPTIONS, f"--ntasks-per-node={tasks}", f"--chdir={tmp_path}"]
        return slurm.submit(SCRIPT.read_text(), *options, arguments=arguments)

    return submit_job


def _said(slurm, job: int) -> list[str]:
    """What the script itself has printed, without the names of machines."""
    return [re.split(" on |: ", line[3:])[0] for line in slurm.output(job).splitlines() if line.startswith("== ")]


def test_every_task_gets_the_arguments_and_its_cpus(slurm, submit, tmp_path: Path) -> None:
    job = submit("end")
    assert slurm.wait(job) == "COMPLETED", slurm.output(job)
    expected = f"0 1 -m benchmark run trainer=multinode run.dir=runs/slurm/{job} seed=end target.path=two words\n"
    for rank in "01":
        assert (tmp_path / "runs" / "slurm" / str(job) / rank).read_text() == expected


def test_a_run_to_go_on_with_names_the_folder_itself(slurm, submit, tmp_path: Path) -> None:
    job = submit("end", "run.resume=earlier")
    assert slurm.wait(job) == "COMPLETED", slurm.output(job)
    assert "run.dir" not in (tmp_path / "earlier" / "1").read_text()


@pytest.mark.parametrize("reached", ["tasks", "script"])
def test_a_terminated_job_goes_on_in_its_folder(slurm, submit, tmp_path: Path, reached: str) -> None:
    job = submit("wait,end")
    slurm.wait_for_output(job, "ready 0\nready 0")
    # The second is what --signal=B:TERM@120 does before the time limit.
    call("scancel", "--signal=TERM", *(["--batch"] if reached == "script" else []), str(job))
    assert slurm.wait(job, timeout=240) == "COMPLETED", slurm.output(job)
    assert slurm.field(job, "Restarts") == "1"
    begin = f"of job {job}"
    assert _said(slurm, job) == [f"start 0 {begin}", "terminated, requeued", f"start 1 {begin}"]
    for rank in "01":
        lines = (tmp_path / "runs" / "slurm" / str(job) / rank).read_text().splitlines()
        assert [line.split()[0] for line in lines] == ["0", "1"]


def test_a_job_that_slurm_requeues_is_not_requeued_twice(slurm, submit) -> None:
    job = submit("wait,end")
    slurm.wait_for_output(job, "ready 0\nready 0")
    call("scontrol", "requeue", str(job))
    slurm.until(job, lambda: "start 1" in slurm.output(job), "start again", 240)
    assert slurm.wait(job) == "COMPLETED", slurm.output(job)
    assert slurm.field(job, "Restarts") == "1"
    assert _said(slurm, job) == [f"start 0 of job {job}", f"start 1 of job {job}"]


def test_a_cancelled_job_stays_cancelled(slurm, submit) -> None:
    job = submit("wait,end")
    slurm.wait_for_output(job, "ready 0\nready 0")
    call("scancel", str(job))
    assert slurm.wait(job) == "CANCELLED"
    assert slurm.field(job, "Restarts") == "0"
    assert _said(slurm, job) == [f"start 0 of job {job}"]


def test_a_task_that_fails_ends_the_job_after_so_many_restarts(slurm, submit) -> None:
    # Srun's status is that of the other task, which it has terminated.
    job = submit("fail,fail", restarts=1)
    assert slurm.wait(job, timeout=240) == "FAILED", slurm.output(job)
    assert slurm.field(job, "ExitCode") == "143:0"
    assert slurm.field(job, "Restarts") == "1"
    assert _said(slurm, job)[-1] == "terminated, not requeued after 1 restarts"


def test_the_status_of_a_task_is_the_job_s(slurm, submit) -> None:
    job = submit("crash", tasks=1)
    assert slurm.wait(job) == "FAILED"
    assert slurm.field(job, "ExitCode") == "3:0"
    assert slurm.field(job, "Restarts") == "0"


def test_a_mistyped_key_ends_the_job_before_any_task(slurm, submit, tmp_path: Path) -> None:
    job = submit("end", "sead=1")
    assert slurm.wait(job) == "FAILED"
    assert slurm.field(job, "ExitCode") == "2:0"
    assert not (tmp_path / "runs").exists()
