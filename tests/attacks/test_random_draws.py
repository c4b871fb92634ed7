import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.attacks.random_draws import normal, uniform

SEEDS = torch.tensor([0, 1, 2**63 - 1, 123456789])
MANY = torch.arange(1000)


def splitmix64(state: int, count: int) -> list[int]:
    """The generator as published, on unsigned integers."""
    numbers = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(z ^ (z >> 31))
    return numbers


def test_the_check_itself_gives_the_published_numbers() -> None:
    # The reference outputs for the start 1234567.
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]


@pytest.mark.parametrize("stream", [0, 1, 7])
def test_draws_are_splitmix64(stream: int) -> None:
    found = uniform(SEEDS, (2, 3), stream, torch.float64)
    for seed, draws in zip(SEEDS.tolist(), found, strict=True):
        start = splitmix64(seed, stream + 1)[stream]
        expected = [(bits >> 11) / 2**53 for bits in splitmix64(start, 6)]
        assert draws.flatten().tolist() == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5), st.integers(0, 1000), st.integers(1, 40))
def test_an_image_draws_the_same_alone_and_in_a_batch(seeds: list[int], stream: int, count: int) -> None:
    together = torch.tensor(seeds)
    streams = stream + torch.arange(len(seeds))
    for draw in (uniform, normal):
        batch = draw(together, (count,), streams, torch.float64)
        assert batch.shape == (len(seeds), count)
        for i in range(len(seeds)):
            assert torch.equal(draw(together[i : i + 1], (count,), stream + i, torch.float64)[0], batch[i])
        assert batch.isfinite().all()


@pytest.mark.parametrize("draw", [uniform, normal])
def test_float32_is_float64_rounded(draw) -> None:
    assert torch.equal(draw(MANY, (3,), dtype=torch.float64).float(), draw(MANY, (3,), dtype=torch.float32))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_uniform_draws_stay_below_one(dtype: torch.dtype) -> None:
    draws = uniform(MANY, (300,), dtype=dtype)
    assert draws.dtype == dtype
    assert draws.min() >= 0
    # In bfloat16 one draw in 500 would be rounded up to 1.
    assert draws.max() < 1
    assert draws.max() > 0.99


@pytest.mark.parametrize("stream", [0, 3])
def test_uniform_draws_are_uniform(stream: int) -> None:
    draws = uniform(MANY, (200,), stream, torch.float64)
    counts = torch.histc(draws.float(), 50, 0, 1).double()
    expected = draws.numel() / 50
    chi2 = ((counts - expected) ** 2 / expected).sum().item()
    assert chi2 < 49 + 5 * math.sqrt(2 * 49)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].abs().item()


def test_streams_seeds_and_neighbours_are_independent() -> None:
    draws = {stream: uniform(MANY, (200,), stream, torch.float64) for stream in (0, 1, 2)}
    bound = 5 / math.sqrt(draws[0].numel())
    assert correlation(draws[0], draws[1]) < bound
    assert correlation(draws[1], draws[2]) < bound
    assert correlation(draws[0][:-1], draws[0][1:]) < bound
    assert correlation(draws[0][:, :-1], draws[0][:, 1:]) < bound
    assert len({value for part in draws.values() for value in part.flatten().tolist()}) == 3 * draws[0].numel()


def test_normal_draws_are_normal() -> None:
    draws = normal(MANY, (200,), dtype=torch.float64)
    count = draws.numel()
    assert draws.mean().abs() < 5 / math.sqrt(count)
    assert (draws.square().mean() - 1).abs() < 5 * math.sqrt(2 / count)
    assert (draws.pow(4).mean() - 3).abs() < 5 * math.sqrt(96 / count)
    for value, share in ((0.5, 0.69146246), (1.0, 0.84134475), (-2.0, 0.02275013)):
        assert abs((draws < value).double().mean().item() - share) < 5 * math.sqrt(share * (1 - share) / count)
    first, second = draws.chunk(2, dim=1)
    assert correlation(first, second) < 5 / math.sqrt(first.numel())
