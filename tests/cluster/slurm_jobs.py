"""Jobs of tests: submitted, waited for, and cancelled if they have not ended."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# A job is none of these once it has ended; REQUEUED and the like are on the way to PENDING.
UNDER_WAY = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"}


def without_slurm() -> dict[str, str]:
    """The environment without that of a job the tests may run in, which sbatch and srun would take over."""
    job = ("SLURM_", "SBATCH_", "SRUN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(job) or name == "SLURM_CONF"}


def call(*command: str | Path, timeout: float = 60) -> str:
    """What one of Slurm's commands prints; its complaint is the assertion's message if it fails."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, env=without_slurm(), check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return done.stdout


class Slurm:
    """Submits jobs, waits for them, and cancels at the end what is left of them.

    Args:
        folder: for scripts and outputs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jobs: list[int] = []
        self._names: list[str] = []

    def submit(self, script: str, *options: str, arguments: Sequence[str] = ()) -> int:
        """Submit a bash script, which runs in the repository's root; returns the job's id."""
        path = self.folder / f"job{len(self._jobs)}.sh"
        path.write_text(script if script.startswith("#!") else f"#!/bin/bash\n{script}")
        given = [f"--chdir={REPOSITORY}", f"--output={self.folder}/%j.out", "--open-mode=append", *options]
        job = int(call("sbatch", "--parsable", *given, path, *arguments).split(";")[0])
        self._jobs.append(job)
        return job

    def owns(self, name: str) -> str:
        """Jobs of this name, which something else submits, are cancelled at the end too."""
        self._names.append(name)
        return name

    def field(self, job: int, name: str) -> str:
        """What `scontrol show job` says, such as of JobState, Restarts or ExitCode."""
        found = re.search(rf"\b{name}=(\S*)", call("scontrol", "--oneliner", "show", "job", str(job)))
        assert found, f"Slurm says nothing of the {name} of job {job}"
        return found.group(1)

    def output(self, job: int) -> str:
        """What the job has printed so far, all its starts together."""
        path = self.folder / f"{job}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, job: int, timeout: float = 120) -> str:
        """Wait until the job has ended, requeued or not; returns its state, COMPLETED if all went well."""
        self.until(job, lambda: self.field(job, "JobState") not in UNDER_WAY, "end", timeout)
        return self.field(job, "JobState")

    def wait_for_output(self, job: int, text: str, timeout: float = 120) -> None:
        """Wait until the job has printed a text."""
        self.until(job, lambda: text in self.output(job), f"print {text!r}", timeout)

    def until(self, job: int, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait for anything of a job; a job that takes too long fails the test with what it has printed."""
        end = time.monotonic() + timeout
        while not condition():
            state = self.field(job, "JobState")
            said = f"job {job}, {state}, did not {what} within {timeout} s; it printed:\n{self.output(job)}"
            assert time.monotonic() < end, said
            time.sleep(0.2)

    def signal(self, job: int | str, name: str) -> None:
        """Send a signal to the job's tasks, and to them alone: neither the batch script nor srun gets it."""
        call("scancel", f"--signal={name}", str(job))

    def close(self) -> None:
        """Cancel what has not ended, and wait for it."""
        mine = [f"--jobs={','.join(map(str, self._jobs))}"] if self._jobs else []
        for which in [*mine, *(f"--name={name}" for name in self._names)]:
            jobs = call("squeue", "--noheader", "--format=%A", which).split()
            if jobs:
                call("scancel", *jobs)
            end = time.monotonic() + 60
            while call("squeue", "--noheader", which).strip() and time.monotonic() < end:
                time.sleep(0.2)
