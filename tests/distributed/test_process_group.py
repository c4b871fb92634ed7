"""Processes that share a store, played by threads."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
import torch.distributed as dist

from benchmark.distributed import process_group
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.rank_variables import RankVariables, read_rank_variables


def together(size: int, do: Callable[[ProcessGroup], Any]) -> list[Any]:
    """What each of `size` processes gets from `do`, in the order of ranks."""
    store = dist.HashStore()
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: do(ProcessGroup(rank, size, size, store)), range(size)))


def test_everybody_has_what_the_first_has_made() -> None:
    assert together(3, lambda own: own.agree("token", lambda: f"made by {own.rank}")) == ["made by 0"] * 3


def test_nobody_leaves_a_meeting_before_all_have_come() -> None:
    came: list[int] = []

    def barrier(own: ProcessGroup) -> int:
        time.sleep(0.1 * own.rank)
        came.append(own.rank)
        own.barrier("here")
        return len(came)

    assert together(3, barrier) == [3, 3, 3]


def test_gathered_values_are_in_the_order_of_ranks() -> None:
    values = together(3, lambda own: own.gather("shares", {"images": 10 * own.rank, "norm": float("inf")}))
    expected = [{"images": 10 * rank, "norm": float("inf")} for rank in range(3)]
    assert values == [expected] * 3


def test_scopes_have_meetings_of_their_own() -> None:
    def twice(own: ProcessGroup) -> list[Any]:
        return [own.scoped(run).gather("shares", [run, own.rank]) for run in ("one", "two")]

    assert together(2, twice)[1] == [[["one", 0], ["one", 1]], [["two", 0], ["two", 1]]]


def test_every_number_is_drawn_once() -> None:
    drawn = together(4, lambda own: list(islice(own.draw("images"), 25)))
    assert sorted(number for numbers in drawn for number in numbers) == list(range(100))


def test_numbers_are_added_up() -> None:
    assert max(together(3, lambda own: own.count("rows", own.rank + 1))) == 6


def test_a_text_is_said_by_one() -> None:
    def say(own: ProcessGroup) -> tuple[bool, bool]:
        return own.first_to_report("the same"), own.first_to_report(f"by {own.rank}")

    said = together(3, say)
    assert sorted(same for same, _ in said) == [False, False, True]
    assert [other for _, other in said] == [True] * 3


def test_a_process_alone_waits_for_nobody() -> None:
    alone = ProcessGroup()
    alone.barrier("here")
    alone.leave()
    assert alone.first
    assert alone.scoped("run") is alone
    assert alone.agree("token", lambda: "own") == "own"
    assert alone.gather("shares", 3) == [3]
    assert list(islice(alone.draw("images"), 3)) == [0, 1, 2]
    assert alone.count("rows") == 1
    assert alone.first_to_report("a")
    assert alone.first_to_report("a")
    assert alone.machines == 1


@pytest.mark.parametrize(
    ("variables", "many"),
    [
        ({}, False),
        ({"WORLD_SIZE": "1"}, False),
        ({"WORLD_SIZE": "2"}, True),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, False),  # a batch script, which runs once
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2"}, True),
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "1"}, False),
    ],
)
def test_who_is_one_of_several(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], many: bool) -> None:
    for name in ("WORLD_SIZE", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert process_group.are_many() is many


def test_tasks_of_srun_are_described_as_torchrun_would(monkeypatch: pytest.MonkeyPatch) -> None:
    described = ("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    for name in described:
        monkeypatch.setenv(name, "")  # so that it is restored after the test
        monkeypatch.delenv(name)
    slurm = {
        **{"SLURM_JOB_ID": "120034", "SLURM_NODELIST": "gpu[07-08]", "SLURM_NTASKS": "8", "SLURM_JOB_NAME": "run"},
        **{"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2"},
        **{"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"},
    }
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    found = read_rank_variables(process_group.os.environ)
    expected = {"rank": 5, "size": 8, "local_rank": 1, "local_size": 4, "group_rank": 1}
    assert found == RankVariables(**expected, address="gpu07", port=20034)
