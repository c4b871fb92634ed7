"""The processes of one run: the rank of this one, the values they share, and their barriers.

A barrier polls the store of torch.distributed instead of making a collective call: processes may reach the end of an
attack epoch hours apart, and a collective call that waits so long is killed by its time limit. torchrun, srun and the
commands themselves can start the processes; torchrun's environment variables describe them in all three cases.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmark.distributed.meeting import connect, meet
from benchmark.distributed.rank_variables import RankVariables, read_rank_variables
from benchmark.distributed.rank_variables import are_many as are_many
from benchmark.distributed.waiting import ranks, wait_until

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
        store = self.store
        if store is not None:
            store.set(f"{place}/met/{self.rank}", "")
            store.add(f"{place}/met", 1)

            def absent() -> str:
                missing = [rank for rank in range(self.size) if not store.check([f"{place}/met/{rank}"])]
                return f"{ranks(missing)} ({place})"

            wait_until(lambda: store.add(f"{place}/met", 0) >= self.size, f"rank {self.rank}", absent)

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
        store = self.store
        if self.first:
            done, others = lambda: store.add("left/count", 0) >= self.size, lambda: "the others, to leave"
            wait_until(done, f"rank {self.rank}", others, _FAREWELL, stops=False)

    def _get(self, key: str) -> str:
        store = self.store
        assert store is not None
        # `get` would wait in C code.
        wait_until(lambda: store.check([key]), f"rank {self.rank}", lambda: f"another rank ({key})")
        return store.get(key).decode()


def join() -> ProcessGroup:
    """Find the other processes and make the default process group; a group of one if there are none.

    Raises:
        InputError: environment variables do not say which process this is, or the others do not come.
    """
    if not are_many():
        return ProcessGroup()
    own = read_rank_variables(os.environ)
    if own.size == 1:
        return ProcessGroup()
    import torch
    import torch.distributed as dist

    store = connect(own)
    own = meet(own, dist.PrefixStore("meeting", store))
    store.set_timeout(_PATIENCE)
    _describe(own)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=dist.PrefixStore("group", store), rank=own.rank, world_size=own.size)
    return ProcessGroup(own.rank, own.size, own.local_size or 1, dist.PrefixStore("ranks", store))


def _describe(own: RankVariables) -> None:
    """Set torchrun's variables, which Lightning reads."""
    assert own.local_size is not None
    os.environ |= {
        "MASTER_ADDR": own.address,
        "MASTER_PORT": str(own.port),
        "WORLD_SIZE": str(own.size),
        "RANK": str(own.rank),
        "LOCAL_RANK": str(own.local_rank),
        "LOCAL_WORLD_SIZE": str(own.local_size),
        "GROUP_RANK": str(own.rank // own.local_size if own.group_rank is None else own.group_rank),
    }
