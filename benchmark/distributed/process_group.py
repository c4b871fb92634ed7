"""The processes of one run: which one this is, what they share, and how they meet.

They meet by asking the store of torch.distributed, never in a collective call: shares of an attack epoch may differ by
hours, and a collective that waits so long is killed by its time limit. Who starts the processes, torchrun, srun or the
`run` command itself, makes no difference here: torchrun's environment variables describe them all.
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

_PAUSE = 0.05  # seconds between two questions to the store
_FAREWELL = 60  # seconds the first process waits for the others' last questions to the store it hosts
_PATIENCE = timedelta(days=365)  # the store's own time limit; a process that is gone is its starter's business


@dataclass(frozen=True)
class ProcessGroup:
    """One process among `size`; by default the only one.

    Attributes:
        rank, size: this process and how many there are.
        local_rank, local_size: the same among the processes of this machine.
        store: what they share; None if there is only one process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    store: "Store | None" = None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and says what is said once."""
        return self.rank == 0

    @property
    def machines(self) -> int:
        return self.size // self.local_size

    def scoped(self, name: str) -> "ProcessGroup":
        """The same processes, whose meetings under this name have nothing to do with those under others."""
        from torch.distributed import PrefixStore

        return self if self.store is None else replace(self, store=PrefixStore(name, self.store))

    def agree(self, key: str, make: Callable[[], str]) -> str:
        """What the first process makes, in all of them."""
        if self.store is None:
            return make()
        if self.first:
            self.store.set(key, make())
        return self._get(key)

    def barrier(self, place: str) -> None:
        """Wait until all have come here; once for each place."""
        if self.store is not None:
            self.store.add(f"{place}/met", 1)
            while self.store.add(f"{place}/met", 0) < self.size:
                check_stop()
                time.sleep(_PAUSE)

    def gather(self, place: str, value: Any) -> list[Any]:
        """Everybody's value, which JSON can hold, in the order of ranks; once for each place."""
        if self.store is None:
            return [value]
        self.store.set(f"{place}/{self.rank}", json.dumps(value))
        self.barrier(place)
        return [json.loads(self._get(f"{place}/{rank}")) for rank in range(self.size)]

    def draw(self, what: str) -> Iterator[int]:
        """Numbers from 0, each of which only one process gets, drawn when they are asked for."""
        if self.store is None:
            yield from itertools.count()
        else:
            while True:
                yield self.store.add(f"{what}/drawn", 1) - 1

    def count(self, what: str, more: int = 1) -> int:
        """Add to a number that all share, and get the sum; without a store the number itself."""
        return more if self.store is None else self.store.add(f"{what}/count", more)

    def first_to_report(self, text: str) -> bool:
        """Whether nobody has said this before."""
        if self.store is None:
            return True
        try:
            return self.store.add(f"said/{hashlib.sha256(text.encode()).hexdigest()}", 1) == 1
        except RuntimeError:  # its host has gone; better twice than never
            return True

    def leave(self) -> None:
        """Come to an orderly end. The first process is the last to go: it may be the host of the store."""
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
    """Find the other processes and make the default process group; `Ranks()` if there are none."""
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
    local_rank, local_size = (int(os.environ[name]) for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    return ProcessGroup(rank, size, local_rank, local_size, dist.PrefixStore("ranks", store))


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
