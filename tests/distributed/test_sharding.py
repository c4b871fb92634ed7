"""Every image is attacked by one process."""

import pytest
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st

from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.sharding import Share
from benchmark.errors import InputError


@given(indices=st.lists(st.integers(0, 1000), unique=True, max_size=30), size=st.integers(1, 5))
def test_a_static_share_is_every_so_manieth_image(indices: list[int], size: int) -> None:
    shares = [list(Share(indices, ProcessGroup(rank, size))) for rank in range(size)]
    assert sorted(index for share in shares for index in share) == sorted(indices)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert shares == [list(Share(indices, ProcessGroup(rank, size))) for rank in range(size)]


@given(length=st.integers(0, 30), turns=st.lists(st.integers(0, 2), max_size=60))
def test_dynamic_shares_go_to_whoever_asks(length: int, turns: list[int]) -> None:
    store = dist.HashStore()
    indices = [3 * i for i in range(length)]
    shares = [iter(Share(indices, ProcessGroup(rank, 3, store=store), "dynamic")) for rank in range(3)]
    got: list[int] = []
    for turn in turns:
        got += [index for index in [next(shares[turn], None)] if index is not None]
    assert got == indices[: len(turns)]
    assert [index for share in shares for index in share] == indices[len(turns) :]


def test_a_share_has_no_length() -> None:
    with pytest.raises(TypeError, match="has no len"):
        len(Share([1, 2], ProcessGroup()))  # type: ignore[arg-type]


def test_another_way_to_share_is_refused() -> None:
    with pytest.raises(InputError, match="sharding=fair: must be static or dynamic"):
        Share([1], ProcessGroup(), "fair")  # type: ignore[arg-type]
