"""How many processes a run needs on one machine; starts them through torch.distributed."""

import logging
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import SHUTDOWN, supervising
from benchmark.errors import InputError, ProcessError, ReportedError, Stopped


def missing_processes(trainer: Mapping[str, Any], processes: ProcessGroup) -> int:
    """How many processes have to be started for the configuration's `trainer`; 0 if the present ones suffice.

    Raises:
        InputError: several processes run a trainer for one, or its processes cannot be started here.
    """
    strategy, machines = str(trainer.get("strategy", "auto")), trainer.get("num_nodes", 1)
    if processes.size > 1:
        if not strategy.startswith("ddp"):
            raise InputError(
                f"{processes.size} processes were started, and with this trainer each would be a run of its own; "
                "give trainer=multinode, ddp or ddp_cpu, or start one process"
            )
        if machines not in (1, "auto", processes.machines):
            there = f"the processes run on {processes.machines} machines"
            raise InputError(f"trainer.num_nodes={machines}: {there}; leave it out")
        return 0
    if machines != 1:
        raise InputError(
            f"trainer.num_nodes={machines}: processes of several machines are started by srun or torchrun, and this "
            "one was started alone; see docs/cluster.md, or use trainer=ddp on this machine"
        )
    count = _devices(trainer)
    if count > 1 and strategy != "auto" and not strategy.startswith("ddp"):
        raise InputError(f"trainer.strategy={strategy}: each process needs the whole victim; use ddp")
    return count if count > 1 else 0


def _devices(trainer: Mapping[str, Any]) -> int:
    devices, accelerator = trainer.get("devices", 1), trainer.get("accelerator", "auto")
    if isinstance(devices, list | tuple):
        if len(devices) > 1:
            chosen = ",".join(map(str, devices))
            raise InputError(f"trainer.devices=[{chosen}]: give a number, and choose by CUDA_VISIBLE_DEVICES={chosen}")
        return 1
    if str(devices) in ("auto", "-1"):
        if accelerator == "cpu":
            return 1
        import torch

        count = torch.cuda.device_count()
        if not count and accelerator in ("gpu", "cuda"):
            raise InputError(f"trainer.accelerator={accelerator}: no GPU is found here; use trainer=ddp_cpu or cpu")
        return count
    try:
        return int(devices)
    except (TypeError, ValueError):
        raise InputError(f"trainer.devices={devices!r}: must be a number of processes or auto") from None


def start_processes(count: int, arguments: Sequence[str]) -> None:
    """Run `python -m benchmark ARGUMENTS` in `count` processes of one group, and wait for all of them.

    If one fails, the others are stopped.

    Raises:
        ReportedError: bad input, which a process has reported.
        ProcessError: a process failed or was killed.
        Stopped: this process was asked to stop, and so were the others.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # torch would report each failure once more than the process that failed; each of its loggers has its own level.
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=secrets.token_hex(8),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        monitor_interval=0.2,
        shutdown_timeout=SHUTDOWN,
    )
    sys.stdout.flush()
    try:
        with supervising():
            elastic_launch(config, sys.executable)("-m", "benchmark", *arguments)
    except SignalException as error:
        raise Stopped(128 + error.sigval, reported=True) from error
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise process_failure(rank, failure.exitcode) from error


def process_failure(rank: int, status: int) -> BaseException:
    """The error that stands for a process that ended with `status`; negative for a signal."""
    if status == 2:
        return ReportedError("bad input")
    if status in (Stopped.INTERRUPTED, Stopped.TERMINATED):
        return Stopped(status, reported=True)
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}, see above"
    return ProcessError(f"process {rank} {how}; the others were stopped, and the rows of finished images are kept")
