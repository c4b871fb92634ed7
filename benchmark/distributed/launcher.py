"""The processes of a run on one machine: how many it needs, and starting them through torch.distributed."""

import logging
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.termination import install_handlers
from benchmark.errors import InputError, ProcessError, ReportedError, Stopped

_SHUTDOWN = 10  # seconds until processes that have not stopped are killed; more than `termination.GRACE`


def missing_processes(trainer: Mapping[str, Any], processes: ProcessGroup) -> int:
    """How many processes have to be started for `trainer`; 0 if it can run in the ones there are.

    Raises:
        InputError: a trainer for one process in several, or one whose processes cannot be started here.
    """
    strategy, machines = str(trainer.get("strategy", "auto")), trainer.get("num_nodes", 1)
    if processes.size > 1:
        if not strategy.startswith("ddp"):
            raise InputError(
                f"{processes.size} processes were started, and with this trainer each would be a run of its own; "
                "give trainer=multinode, ddp or ddp_cpu, or start one process"
            )
        if machines not in (1, "auto", processes.machines):
            raise InputError(f"trainer.num_nodes={machines}: the processes run on {processes.machines}; leave it out")
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
            raise InputError(
                f"trainer.devices={list(devices)}: give their number, and CUDA_VISIBLE_DEVICES={devices} to choose"
            )
        return 1
    if str(devices) in ("auto", "-1"):
        if accelerator == "cpu":
            return 1
        import torch

        found = torch.cuda.device_count()
        if not found and accelerator in ("gpu", "cuda"):
            raise InputError(f"trainer.accelerator={accelerator}: no GPU is found here; use trainer=ddp_cpu or cpu")
        return found
    try:
        return int(devices)
    except (TypeError, ValueError):
        raise InputError(f"trainer.devices={devices!r}: must be a number of processes or auto") from None


def start_processes(count: int, arguments: Sequence[str]) -> None:
    """Run `python -m benchmark ARGUMENTS` in `count` processes of one group, and wait for all of them.

    If one fails, the others are ended.

    Raises:
        ReportedError: bad input, which a process has reported.
        ProcessError: a process failed or was killed.
        Stopped: this process was asked to stop, and so were the others.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # Its own account of a failure says nothing that the failing process has not said; each logger has its own level.
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
        shutdown_timeout=_SHUTDOWN,
    )
    sys.stdout.flush()
    try:
        elastic_launch(config, sys.executable)("-m", "benchmark", *arguments)
    except SignalException as error:
        raise Stopped(128 + error.sigval, reported=True) from error
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        raise process_failure(rank, failure.exitcode) from error
    finally:
        install_handlers()  # torch has installed its own


def process_failure(rank: int, status: int) -> BaseException:
    """The error that stands for a process that ended with `status`; negative for a signal."""
    if status == 2:
        return ReportedError("bad input")
    if status in (Stopped.INTERRUPTED, Stopped.TERMINATED):
        return Stopped(status, reported=True)
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}, see above"
    return ProcessError(f"process {rank} {how}, and the others were ended; rows of finished images are kept")
