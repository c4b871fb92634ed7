"""How many processes a trainer needs, and which cannot be started here."""

import pytest
import torch

from benchmark.distributed.launcher import missing_processes, process_failure
from benchmark.distributed.process_group import ProcessGroup
from benchmark.errors import InputError, ProcessError, ReportedError, Stopped

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
    assert (
        missing_processes({"strategy": "ddp", "devices": "auto", "num_nodes": machines}, ProcessGroup(0, 4, 0, 2)) == 0
    )


@pytest.mark.parametrize(
    ("trainer", "processes", "said"),
    [
        (
            {"devices": 1},
            ProcessGroup(1, 2, 1, 2),
            "2 processes were started, and with this trainer each would be a run",
        ),
        (CPU | {"num_nodes": 3}, ProcessGroup(1, 4, 1, 2), "trainer.num_nodes=3: the processes run on 2; leave it out"),
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
        (CPU | {"devices": [0, 2]}, ProcessGroup(), r"trainer.devices=\[0, 2\]: give their number"),
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
