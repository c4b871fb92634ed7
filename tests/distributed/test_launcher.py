"""How many processes a trainer needs, which cannot be started here, and how they stop together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmark.distributed.launcher import missing_processes, process_failure
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError, ProcessError, ReportedError, Stopped

REPOSITORY = Path(__file__).resolve().parents[2]

# Starts two processes in place of `python -m benchmark`, and would end itself after a second if it worked alone.
SUPERVISOR = """
import sys
from benchmark.distributed import launcher, termination
termination.GRACE = 1.0
sys.executable = sys.argv[1]
with termination.stoppable():
    launcher.start_processes(2, [])
"""
# Derives a key for minutes in one process, which no signal interrupts; the other one stops at once.
WORKER = """
import hashlib, os, sys, time
from benchmark.distributed import termination
from benchmark.errors import Stopped
termination.GRACE = 3.0
with termination.stoppable(watch_parent=True):
    os.write(1, b"ready\\n")  # in one piece: two processes share the pipe
    if int(os.environ["RANK"]) == {stuck}:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
    try:
        while True:
            time.sleep(0.05)
            termination.check_stop()
    except Stopped as stop:
        if os.environ["RANK"] == "0":
            print(f"{{stop}}: 3 rows are kept", file=sys.stderr)
        raise
"""
CPU = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        ({}, 0),
        ({"accelerator": "cpu", "devices": 1}, 0),
        ({"accelerator": "cpu", "devices": "auto", "strategy": "ddp"}, 0),
        (CPU, 2),
        ({"accelerator": "cpu", "devices": "3"}, 3),
        ({"accelerator": "gpu", "devices": [1]}, 0),
    ],
)
def test_a_lone_process_starts_as_many_as_there_are_devices(trainer: dict, count: int) -> None:
    assert missing_processes(trainer, ProcessGroup()) == count


def test_one_process_for_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = {"accelerator": "gpu", "devices": "auto", "strategy": "ddp"}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert missing_processes(trainer, ProcessGroup()) == 8
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match=r"accelerator=gpu: no GPU is found here; use trainer=ddp_cpu or cpu"):
        missing_processes(trainer, ProcessGroup())


@pytest.mark.parametrize("machines", [1, "auto", 2])
def test_processes_that_are_there_are_not_started(machines) -> None:
    assert missing_processes({"strategy": "ddp", "devices": "auto", "num_nodes": machines}, ProcessGroup(0, 4, 2)) == 0


@pytest.mark.parametrize(
    ("trainer", "processes", "said"),
    [
        ({"devices": 1}, ProcessGroup(1, 2, 2), "2 processes were started, and with this trainer each would be a run"),
        (CPU | {"num_nodes": 3}, ProcessGroup(1, 4, 2), "num_nodes=3: the processes run on 2 machines; leave it out"),
        (
            CPU | {"num_nodes": "auto"},
            ProcessGroup(),
            "trainer.num_nodes=auto: processes of several machines are started by",
        ),
        (
            CPU | {"strategy": "fsdp"},
            ProcessGroup(),
            "trainer.strategy=fsdp: each process needs the whole victim; use ddp",
        ),
        (CPU | {"devices": [0, 2]}, ProcessGroup(), r"trainer.devices=\[0,2\]: give a number, and choose by .*=0,2"),
        (CPU | {"devices": "some"}, ProcessGroup(), "trainer.devices='some': must be a number of processes or auto"),
    ],
)
def test_what_cannot_run_is_refused(trainer: dict, processes: ProcessGroup, said: str) -> None:
    with pytest.raises(InputError, match=said):
        missing_processes(trainer, processes)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (2, ReportedError, ""),
        (130, Stopped, "interrupted"),
        (143, Stopped, "terminated"),
        (-9, ProcessError, "process 1 was ended by SIGKILL"),
        (1, ProcessError, "process 1 failed with status 1, see above"),
    ],
)
def test_a_process_that_fails_is_the_end_of_the_run(status: int, kind: type, said: str) -> None:
    failure = process_failure(1, status)
    assert type(failure) is kind
    assert said in str(failure)


@pytest.mark.parametrize(
    ("stuck", "message"),
    [
        (1, "terminated: 3 rows are kept"),
        (0, "terminated: the current step took longer than 3 s; finished rows are kept"),
    ],
)
def test_processes_that_stop_late_say_so_once(tmp_path: Path, stuck: int, message: str) -> None:
    (tmp_path / "worker.py").write_text(WORKER.format(stuck=stuck))
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path / 'worker.py'}\n")
    python.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, python],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - begun >= 3
    assert process.returncode == 143
    assert err.splitlines() == [message]
