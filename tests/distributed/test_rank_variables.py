"""The variables of torchrun and Slurm: checked before anybody waits, or derived where that is safe."""

import pytest

from benchmark.distributed.rank_variables import RankVariables, are_many, read_rank_variables
from benchmark.errors import InputError

WHOLE = {
    **{"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
    **{"MASTER_ADDR": "node0", "MASTER_PORT": "29500"},
}
SLURM = {
    **{"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7"},
    **{"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1"},
}


def without(*names: str, **changes: str) -> dict[str, str]:
    return {name: value for name, value in (WHOLE | changes).items() if name not in names}


def test_the_whole_set_is_read() -> None:
    expected = RankVariables(rank=3, size=4, local_rank=1, local_size=2, group_rank=None, address="node0", port=29500)
    assert read_rank_variables(WHOLE) == expected


def test_what_follows_from_the_machines_may_be_missing() -> None:
    found = read_rank_variables(without("LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    assert (found.rank, found.local_rank, found.local_size) == (3, None, None)


def test_sruns_tasks_may_be_given_a_size_and_an_address_by_hand() -> None:
    by_hand = SLURM | {"WORLD_SIZE": "4", "MASTER_ADDR": "n9", "MASTER_PORT": "1234"}
    found = read_rank_variables(by_hand)
    assert (found.rank, found.size, found.local_rank, found.local_size) == (3, 4, 1, 2)
    assert (found.address, found.port) == ("n9", 1234)
    assert read_rank_variables(SLURM).address == "n1"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (without("RANK"), "WORLD_SIZE=4, LOCAL_RANK=1 means that there are several processes, but RANK is unset"),
        (without("WORLD_SIZE"), "RANK=3, LOCAL_RANK=1 means .* but WORLD_SIZE is unset; start the processes with"),
        (without("MASTER_ADDR", "MASTER_PORT"), "but MASTER_ADDR, MASTER_PORT is unset"),
        (without(RANK="4"), "RANK=4: must be below WORLD_SIZE=4"),
        (without(RANK="-1"), "RANK=-1: must be a number from 0"),
        (without(RANK="one"), "RANK=one: must be a number from 0"),
        (without(WORLD_SIZE="4.0"), r"WORLD_SIZE=4\.0: must be a number from 1"),
        (without(WORLD_SIZE="0"), "WORLD_SIZE=0: must be a number from 1"),
        (without(RANK="²"), "RANK=²: must be a number from 0"),
        (without(LOCAL_RANK="2"), "LOCAL_RANK=2: must be below LOCAL_WORLD_SIZE=2"),
        (without("LOCAL_WORLD_SIZE", LOCAL_RANK="9"), "LOCAL_RANK=9: must be below WORLD_SIZE=4"),
        (without(LOCAL_WORLD_SIZE="3"), "LOCAL_WORLD_SIZE=3: WORLD_SIZE=4 is no multiple of it"),
        (without(LOCAL_WORLD_SIZE="8"), "LOCAL_WORLD_SIZE=8: is more than WORLD_SIZE=4"),
        (without(MASTER_PORT="http"), "MASTER_PORT=http: must be a number from 1"),
        (without(MASTER_PORT="70000"), "MASTER_PORT=70000: must be a port, 1 to 65535"),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "five"}, "SLURM_STEP_NUM_TASKS=five: must be a number"),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "5"}, "=5 on 2 machines: each needs the same number of tasks; give --ntasks"),
        ({k: v for k, v in SLURM.items() if k != "SLURM_PROCID"}, "but RANK is unset"),
        ({k: v for k, v in SLURM.items() if k != "SLURM_JOB_ID"}, "but MASTER_PORT is unset"),
    ],
)
def test_what_cannot_be_right_is_one_line(variables: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_rank_variables(variables)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("variables", "many"),
    [
        ({"RANK": "0"}, False),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, False),
        ({"MASTER_ADDR": "x", "MASTER_PORT": "1"}, False),
        ({"RANK": "1"}, True),
        ({"LOCAL_RANK": "1"}, True),
        ({"WORLD_SIZE": "two"}, True),
        ({"RANK": "1", "WORLD_SIZE": "1"}, True),
    ],
)
def test_half_of_them_is_not_taken_for_a_process_alone(
    variables: dict[str, str], many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*WHOLE, *SLURM):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert are_many() is many
