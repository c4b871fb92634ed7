"""The environment variables that say which process this is: those of torchrun, or of Slurm's srun.

They are checked before anybody waits for another process, because a process that has a wrong one would wait in vain.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.errors import InputError

_CURE = "start the processes with torchrun or srun, which set all of them, or unset those that are left over"


@dataclass(frozen=True, kw_only=True)
class RankVariables:
    """Attributes: rank, size: this process and how many there are. local_rank, local_size: on its machine; None where
    they follow from the machines that meet. group_rank: the machine's number. address, port: where rank 0 listens."""

    rank: int
    size: int
    local_rank: int | None
    local_size: int | None
    group_rank: int | None
    address: str
    port: int


def are_many() -> bool:
    """Whether this process was started as one of several, by torchrun or by srun."""
    size = os.environ.get("WORLD_SIZE", "").strip()
    another = any(os.environ.get(name, "").strip("0 ") for name in ("RANK", "LOCAL_RANK"))
    return size not in ("", "1") or another or slurm_tasks(os.environ) > 1


def slurm_tasks(environment: Mapping[str, str]) -> int:
    """How many tasks srun has started together with this one; 0 where it is no task of srun."""
    # SLURM_NTASKS is also there in a batch script, which runs once.
    return _number(environment, "SLURM_STEP_NUM_TASKS", least=0) or 0


def read_rank_variables(environment: Mapping[str, str]) -> RankVariables:
    """The variables of one of several processes.

    Raises:
        InputError: one is missing that cannot be derived, is no number, or does not fit the others.
    """
    of_slurm = _of_slurm(environment) if slurm_tasks(environment) > 1 else {}
    if environment.get("WORLD_SIZE") and of_slurm.get("WORLD_SIZE") != environment["WORLD_SIZE"]:
        of_slurm = {}  # torchrun, started by srun on every machine
    given = of_slurm | {name: value for name, value in environment.items() if value.strip()}
    missing = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in given]
    if missing:
        present = ", ".join(f"{name}={given[name]}" for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK") if name in given)
        what = f"{present} means that there are several processes, but {', '.join(missing)} is unset"
        raise InputError(f"{what}; {_CURE}")
    size, rank = _number(given, "WORLD_SIZE", least=1) or 1, _number(given, "RANK", least=0) or 0
    local_size, local_rank = _number(given, "LOCAL_WORLD_SIZE", least=1), _number(given, "LOCAL_RANK", least=0)
    port = _number(given, "MASTER_PORT", least=1) or 0
    _need(rank < size, f"RANK={rank}: must be below WORLD_SIZE={size}")
    _need(port < 2**16, f"MASTER_PORT={port}: must be a port, 1 to 65535")
    if local_size is not None:
        _need(local_size <= size, f"LOCAL_WORLD_SIZE={local_size}: is more than WORLD_SIZE={size}")
        _need(size % local_size == 0, f"LOCAL_WORLD_SIZE={local_size}: WORLD_SIZE={size} is no multiple of it")
    if local_rank is not None:
        most, what = (size, "WORLD_SIZE") if local_size is None else (local_size, "LOCAL_WORLD_SIZE")
        _need(local_rank < most, f"LOCAL_RANK={local_rank}: must be below {what}={most}")
    return RankVariables(
        rank=rank,
        size=size,
        local_rank=local_rank,
        local_size=local_size,
        group_rank=_number(given, "GROUP_RANK", least=0),
        address=given["MASTER_ADDR"].strip(),
        port=port,
    )


def _of_slurm(environment: Mapping[str, str]) -> dict[str, str]:
    """torchrun's variables, as far as srun's say what they are."""
    size, machines = slurm_tasks(environment), _number(environment, "SLURM_STEP_NUM_NODES", least=1)
    names = {"RANK": "SLURM_PROCID", "LOCAL_RANK": "SLURM_LOCALID", "GROUP_RANK": "SLURM_NODEID"}
    found = {name: environment[of_slurm] for name, of_slurm in names.items() if environment.get(of_slurm)}
    found["WORLD_SIZE"] = str(size)
    if machines is not None:
        even = f"SLURM_STEP_NUM_TASKS={size} on {machines} machines: each needs the same number of tasks"
        _need(size % machines == 0, even, "give --ntasks-per-node")
        found["LOCAL_WORLD_SIZE"] = str(size // machines)
    if nodes := environment.get("SLURM_NODELIST"):
        from lightning_fabric.plugins.environments import SLURMEnvironment

        found["MASTER_ADDR"] = SLURMEnvironment.resolve_root_node_address(nodes)
    if (job := _number(environment, "SLURM_JOB_ID", least=0)) is not None:
        # A port all processes can guess, and jobs of one machine hardly share.
        found["MASTER_PORT"] = str(20000 + job % 10000)
    return found


def _number(variables: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = variables.get(name, "").strip()
    if not text:
        return None
    _need(text.isascii() and text.isdecimal() and int(text) >= least, f"{name}={text}: must be a number from {least}")
    return int(text)


def _need(holds: bool, what: str, cure: str = _CURE) -> None:
    if not holds:
        raise InputError(f"{what}; {cure}")
