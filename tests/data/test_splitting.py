"""Drawn splits: complete, disjoint, repeatable, near the fractions, and never through a patient or sequence."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data.files import Pairs
from benchmark.data.splitting import hold_out, split_by_hash
from benchmark.errors import InputError

ROOT = Path("root")


def _pairs(count: int) -> Pairs:
    return {f"case{i}": (Path(f"{i}.png"), Path(f"{i}_mask.png")) for i in range(count)}


@settings(deadline=None)
@given(count=st.integers(3, 60), seed=st.integers(0, 5), val=st.floats(0.05, 0.45), test=st.floats(0.05, 0.45))
def test_images_without_groups_are_cut_at_the_fractions(count: int, seed: int, val: float, test: float) -> None:
    parts = list(split_by_hash(_pairs(count), (1 - val - test, val, test), seed, ROOT).values())
    mixed = sorted(_pairs(count), key=lambda id: hashlib.sha256(f"{seed}/{id}".encode()).digest())
    sizes = [len(part) for part in parts]
    assert [set(part) for part in parts] == [
        set(mixed[: sizes[0]]),
        set(mixed[sizes[0] : sizes[0] + sizes[1]]),
        set(mixed[sizes[0] + sizes[1] :]),
    ]
    assert min(sizes) >= 1
    if min(count * val, count * test, count * (1 - val - test)) >= 1:
        assert sizes[1:] == pytest.approx([count * val, count * test], abs=0.51)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=3, max_size=20), seed=st.integers(0, 5))
def test_groups_stay_together_near_the_fractions(sizes: list[int], seed: int) -> None:
    pairs = _pairs(sum(sizes))
    of = [number for number, size in enumerate(sizes) for _ in range(size)]
    groups = {id: f"patient {number}" for id, number in zip(pairs, of, strict=True)}
    parts = list(split_by_hash(pairs, (0.6, 0.2, 0.2), seed, ROOT, groups).values())
    assert sorted(id for part in parts for id in part) == sorted(pairs)
    seen = [{groups[id] for id in part} for part in parts]
    assert all(seen)
    assert sum(map(len, seen)) == len(sizes)
    if len(sizes) > 10:
        # A cut falls between two groups, so it misses by half of one, if it is not pushed aside by the cut before it.
        assert len(parts[0]) == pytest.approx(0.6 * len(pairs), abs=max(sizes))


@settings(deadline=None)
@given(count=st.integers(2, 50), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 3))
def test_held_out_images_are_the_others(count: int, fraction: float, seed: int) -> None:
    train, val = hold_out(_pairs(count), fraction, seed, ROOT)
    assert sorted(train | val) == sorted(_pairs(count))
    assert not train.keys() & val.keys()
    assert len(val) == min(max(1, round(count * fraction)), count - 1)


def test_images_keep_their_order() -> None:
    for part in split_by_hash(_pairs(30), (0.5, 0.25, 0.25), 0, ROOT).values():
        assert list(part) == [id for id in _pairs(30) if id in part]


def test_too_few_groups() -> None:
    groups = {id: f"patient {i % 2}" for i, id in enumerate(_pairs(10))}
    with pytest.raises(InputError, match="root: 2 patients or sequences cannot be split into train, val and test"):
        split_by_hash(_pairs(10), (0.5, 0.25, 0.25), 0, ROOT, groups)
    with pytest.raises(InputError, match="root: 1 image cannot be split into train and val"):
        hold_out(_pairs(1), 0.5, 0, ROOT)
