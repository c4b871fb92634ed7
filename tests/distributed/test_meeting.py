"""Real processes that meet, or do not: what is said, how soon, and with which status."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.distributed.rank_variables import are_many

CODE = """
import sys
from benchmark.distributed.process_group import join
from benchmark.errors import InputError
try:
    group = join()
except InputError as error:
    sys.exit(f"error: {error}")
print(group.rank, group.size, group.local_size, group.machines)
group.barrier("there")
group.leave()
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start(**variables: object) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "TORCHELASTIC"))}
    environment = kept | {"OMP_NUM_THREADS": "1"} | {name: str(value) for name, value in variables.items()}
    return subprocess.Popen(
        [sys.executable, "-c", CODE],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_this_process_is_alone() -> None:
    assert not are_many()


def test_local_ranks_follow_from_the_machines_and_a_late_rank_is_named() -> None:
    place = {"WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    first = start(RANK=0, **place)
    assert first.stderr is not None
    line = first.stderr.readline()
    assert line == f"rank 0 waits for rank 1 at 127.0.0.1:{place['MASTER_PORT']}\n"
    second = start(RANK=1, **place)
    for process, rank in ((first, 0), (second, 1)):
        out, error = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, f"{rank} 2 2 1\n"), error


def test_who_does_not_reach_rank_0_says_so_within_five_seconds() -> None:
    port = free_port()
    process = start(RANK=1, WORLD_SIZE=2, MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    assert process.stderr is not None
    begin = time.monotonic()
    assert process.stderr.readline() == f"rank 1 waits for rank 0 at 127.0.0.1:{port}\n"
    assert time.monotonic() - begin < 30  # five seconds after the start of the wait; Python starts before
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parallel
def test_two_of_one_rank_and_other_sizes_are_refused_by_all() -> None:
    for variables, message in (
        ([{"RANK": 0, "WORLD_SIZE": 3}, {"RANK": 1, "WORLD_SIZE": 3}, {"RANK": 1, "WORLD_SIZE": 3}], "RANK=1: another"),
        ([{"RANK": 0, "WORLD_SIZE": 2}, {"RANK": 1, "WORLD_SIZE": 3}], "WORLD_SIZE="),
    ):
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        processes = [start(**place, **own) for own in variables]
        for process in processes:
            _, error = process.communicate(timeout=120)
            assert process.returncode == 1
            assert message in error or "rank 0 with it" in error


@pytest.mark.slow
@pytest.mark.parallel
def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": taken.getsockname()[1]}
        _, error = start(RANK=0, WORLD_SIZE=2, **place).communicate(timeout=120)
        assert "cannot listen" in error
        assert "give another MASTER_PORT" in error
        _, error = start(RANK=1, WORLD_SIZE=2, **place).communicate(timeout=120)
        assert "does not answer as a run's rank 0" in error
