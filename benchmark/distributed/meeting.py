"""Processes meet: they connect to rank 0, wait until all are there, and compare what they were told."""

import json
import os
import socket
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmark.distributed.rank_variables import RankVariables
from benchmark.distributed.waiting import ranks, wait_until
from benchmark.errors import InputError, ProcessError, first_line

if TYPE_CHECKING:
    from torch.distributed import Store

LIMIT = 1800.0
"""Seconds for which processes wait for each other at the start."""

_ANSWER = 20.0  # seconds in which rank 0 has to answer who has reached its port


def connect(own: RankVariables) -> "Store":
    """The store of all processes. Rank 0 hosts it, or torchrun's agent does.

    Raises:
        InputError: rank 0 is not reached within `LIMIT`, does not answer, or cannot listen.
    """
    from torch.distributed import PrefixStore, TCPStore

    place = f"{own.address}:{own.port}"
    # torchrun's agents host it, for each of their attempts anew.
    by_agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    hosts = own.rank == 0 and not by_agent
    if not hosts:
        reasons = [""]
        reached = wait_until(
            lambda: _reachable(own.address, own.port, reasons), f"rank {own.rank}", lambda: f"rank 0 at {place}", LIMIT
        )
        if not reached:
            raise InputError(f"rank {own.rank}: no rank 0 at {place} ({reasons[0]}); start it, or correct MASTER_ADDR")
    made: list[Store] = []
    errors: list[Exception] = []

    def make() -> None:
        limit = timedelta(seconds=_ANSWER)
        options: dict[str, Any] = {"is_master": hosts, "timeout": limit, "wait_for_workers": False}
        try:
            made.append(TCPStore(own.address, own.port, world_size=own.size, **options))
        except (RuntimeError, ValueError) as error:
            errors.append(error)

    # In a thread, because the C code would wait without end for somebody who listens there and does not answer.
    thread = threading.Thread(target=make, name="connection to rank 0", daemon=True)
    thread.start()
    wait_until(lambda: not thread.is_alive(), f"rank {own.rank}", lambda: f"an answer of rank 0 at {place}", _ANSWER)
    if not made:
        what = "cannot listen" if hosts else "does not answer as a run's rank 0"
        reason = f" ({first_line(errors[0])[:120]})" if errors else ""
        cure = "give another MASTER_PORT, the same for all processes, or correct MASTER_ADDR"
        raise InputError(f"rank {own.rank}: {place} {what}{reason}; {cure}") from next(iter(errors), None)
    return PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", made[0])


def meet(own: RankVariables, store: "Store") -> RankVariables:
    """Wait until all processes are there; returns `own` with local rank and size, derived where they were missing.

    Raises:
        InputError: in all processes, if some do not come within `LIMIT`, or were told different things.
        ProcessError: rank 0 has ended meanwhile.
    """
    try:
        return _meet(own, store)
    except InputError as error:
        with suppress(RuntimeError):
            store.set("refusal", str(error))  # the others wait for this process
        raise
    except RuntimeError as error:
        what = f"rank {own.rank}: the connection to {own.address}:{own.port} has ended, and rank 0 with it"
        raise ProcessError(f"{what}; see what it said") from error


def _meet(own: RankVariables, store: "Store") -> RankVariables:
    if store.add(f"come/{own.rank}", 1) > 1:
        raise InputError(f"RANK={own.rank}: another process has it too; give each its own, from 0 to {own.size - 1}")
    if (size := int(store.compare_set("size", "", str(own.size)))) != own.size:
        raise InputError(f"rank {own.rank}: WORLD_SIZE={own.size}, another process has {size}; give all the same")
    told = {"local": [own.local_rank, own.local_size], "host": socket.gethostname()}
    store.set(f"told/{own.rank}", json.dumps(told))
    place = f"{own.address}:{own.port}"

    def absent() -> list[int]:
        if store.check(["refusal"]):
            raise InputError(store.get("refusal").decode())
        return [rank for rank in range(own.size) if not store.check([f"told/{rank}"])]

    if not wait_until(lambda: not absent(), f"rank {own.rank}", lambda: f"{ranks(absent())} at {place}", LIMIT):
        raise InputError(f"rank {own.rank}: {ranks(absent())} did not come to {place}; start all {own.size} processes")
    everyone = [json.loads(store.get(f"told/{rank}")) for rank in range(own.size)]
    if all(None not in one["local"] for one in everyone):
        if len(sizes := sorted({one["local"][1] for one in everyone})) > 1:
            given = " and ".join(map(str, sizes))
            raise InputError(f"LOCAL_WORLD_SIZE is {given}; start the same number of processes on each machine")
        return own
    hosts = [one["host"] for one in everyone]
    counts = Counter(hosts)
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} on {host}" for host, count in counts.items())
        raise InputError(f"LOCAL_WORLD_SIZE is not set and there are {found}; start the same number on each machine")
    here = [rank for rank, host in enumerate(hosts) if host == hosts[own.rank]]
    return replace(own, local_rank=here.index(own.rank), local_size=len(here))


def _reachable(address: str, port: int, reasons: list[str]) -> bool:
    """Whether somebody listens there; else the reason is the first of `reasons`."""
    try:
        socket.create_connection((address, port), timeout=2).close()
    except (OSError, UnicodeError) as error:
        reasons[0] = getattr(error, "strerror", None) or str(error)
        return False
    return True
