"""The processes of one run: the rank of this one, the values they share, and their barriers.

A barrier polls the store of torch.distributed instead of making a collective call: processes may reach the end of an
attack epoch hours apart, and a collective call that waits so long is killed by its time limit. torchrun, srun and the
commands themselves can start the processes; torchrun's environment variables describe them in all three cases.
"""

import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmark.distributed.termination import check_stop

if TYPE_CHECKING:
    from torch.distributed import Store

_PAUSE = 0.05  # seconds between two reads of the store
_FAREWELL = 60  # seconds that the first process waits for the others' last reads of the store, which it hosts
_PATIENCE = timedelta(days=365)  # the store's own time limit; the launcher notices a process that has ended


@dataclass(frozen=True)
class ProcessGroup:
    """One process among `size`; by default the only one.

    Attributes:
        rank, size: this process and how many there are.
        local_size: how many there are on this machine.
        store: holds the values they share; None if there is only one process.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    store: "Store | None" = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes shared files and prints."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        return self.size // self.local_size

    def scoped(self, name: str) -> "ProcessGroup":
        """The same processes with keys of their own: barriers and values of two names are independent."""
        from torch.distributed import PrefixStore

        return self if self.store is None else replace(self, store=PrefixStore(name, self.store))

    def agree(self, key: str, make: Callable[[], str]) -> str:
        """Call `make` in the first process and return its result in all."""
        if self.store is None:
            return make()
        if self.first:
            self.store.set(key, make())
        return self._get(key)

    def barrier(self, place: str) -> None:
        """Wait until all processes have reached `place`, which can be used once."""
        if self.store is not None:
            self.store.add(f"{place}/met", 1)
            while self.store.add(f"{place}/met", 0) < self.size:
                check_stop()
                time.sleep(_PAUSE)

    def gather(self, place: str, value: Any) -> list[Any]:
        """The values of all processes, ordered by rank; JSON must be able to hold them. `place` can be used once."""
        if self.store is None:
            return [value]
        self.store.set(f"{place}/{self.rank}", json.dumps(value))
        self.barrier(place)
        return [json.loads(self._get(f"{place}/{rank}")) for rank in range(self.size)]

    def draw(self, what: str) -> Iterator[int]:
        """Count from 0 across all processes: each number goes to the one process that asks for it next."""
        if self.store is None:
            yield from itertools.count()
        else:
            while True:
                yield self.store.add(f"{what}/drawn", 1) - 1

    def count(self, what: str, more: int = 1) -> int:
        """Add to a shared counter and return its new value; with one process, return `more`."""
        return more if self.store is None else self.store.add(f"{what}/count", more)

    def first_to_report(self, text: str) -> bool:
        """Whether no process has reported this text before."""
        if self.store is None:
            return True
        try:
            return self.store.add(f"said/{hashlib.sha256(text.encode()).hexdigest()}", 1) == 1
        except RuntimeError:  # the host of the store has ended; a text reported twice is better than a lost one
            return True

    def leave(self) -> None:
        """Leave the group. The first process leaves last, because it may host the store."""
        import torch.distributed as dist

        if self.store is None:
            return
        if dist.is_initialized():
            dist.destroy_process_group()
        self.store.add("left/count", 1)
        end = time.monotonic() + _FAREWELL
        while self.first and self.store.add("left/count", 0) < self.size and time.monotonic() < end:
            time.sleep(_PAUSE)

    def _get(self, key: str) -> str:
        assert self.store is not None
        while not self.store.check([key]):  # `get` would wait in C code
            check_stop()
            time.sleep(_PAUSE)
        return self.store.get(key).decode()


def are_many() -> bool:
    """Whether this process was started as one of several, by torchrun or by srun."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or _slurm_tasks() > 1


def join() -> ProcessGroup:
    """Find the other processes and make the default process group; a group of one if there are none."""
    if not are_many():
        return ProcessGroup()
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    if "WORLD_SIZE" not in os.environ:
        _describe_slurm_as_torchrun_does()
    store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=30)))
    store.set_timeout(_PATIENCE)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("group", store), rank=rank, world_size=size)
    return ProcessGroup(rank, size, int(os.environ["LOCAL_WORLD_SIZE"]), dist.PrefixStore("ranks", store))


def _slurm_tasks() -> int:
    """How many tasks srun has started together with this one; 0 where it is no task of srun."""
    # SLURM_NTASKS is also there in a batch script, which runs once.
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "0"))


def _describe_slurm_as_torchrun_does() -> None:
    from lightning_fabric.plugins.environments import SLURMEnvironment

    size, machines = _slurm_tasks(), int(os.environ["SLURM_STEP_NUM_NODES"])
    os.environ.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(os.environ["SLURM_NODELIST"]))
    # A port all processes can guess, and jobs of one machine hardly share.
    os.environ.setdefault("MASTER_PORT", str(20000 + int(os.environ["SLURM_JOB_ID"]) % 10000))
    os.environ |= {
        "WORLD_SIZE": str(size),
        "RANK": os.environ["SLURM_PROCID"],
        "LOCAL_RANK": os.environ["SLURM_LOCALID"],
        "LOCAL_WORLD_SIZE": str(size // machines),
        "GROUP_RANK": os.environ["SLURM_NODEID"],
    }
