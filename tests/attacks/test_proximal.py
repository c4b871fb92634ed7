from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.attacks.base import norms
from benchmark.attacks.proximal import proximal, proximal_linf_box

INFINITE = float("inf")


def perturbations(seed: int, count: int = 3) -> Tensor:
    """(count, 2, 2, 2), of very different sizes."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([1.0, 0.01, 0.3, 0.0])[:count].view(-1, 1, 1, 1)
    return torch.randn(count, 2, 2, 2, generator=generator, dtype=torch.float64) * sizes


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 99), st.floats(0, 2), st.sampled_from([1, 2, "inf"]))
def test_nothing_near_is_better(seed: int, weight: float, norm: Any) -> None:
    delta = perturbations(seed)
    weights = torch.full((3,), weight, dtype=torch.float64)

    def cost(points: Tensor) -> Tensor:
        return (points - delta).square().flatten(1).sum(1) / 2 + weights * norms(points, norm)

    found = proximal(delta, weights, norm)
    best = cost(found)
    for step in (1e-1, 1e-3):
        for shift in range(8):
            other = found + step * perturbations(1000 + shift)
            assert (cost(other) >= best - 1e-12).all()
    assert (cost(0.999 * found) >= best - 1e-12).all()


@pytest.mark.parametrize("norm", [1, 2, "inf"])
def test_extreme_weights(norm: Any) -> None:
    delta = perturbations(0, 4)
    weights = torch.tensor([0.0, INFINITE, INFINITE, 0.0], dtype=torch.float64)
    found = proximal(delta, weights, norm)
    assert torch.equal(found[0], delta[0])
    assert (found[1:] == 0).all()


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="norm must be 1, 2 or 'inf', got 3"):
        proximal(perturbations(0), torch.zeros(3), 3)  # type: ignore[arg-type]


def box(delta: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A metric and bounds."""
    images = torch.rand(delta.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return 0.1 + 3 * images.flip(1), -images, 1 - images


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(0, 99), st.floats(0, 1))
def test_in_a_box_no_other_size_is_better(seed: int, weight: float) -> None:
    delta = perturbations(seed)
    weights = torch.full((3,), weight, dtype=torch.float64)
    metric, lower, upper = box(delta, seed)

    def cost(points: Tensor) -> Tensor:
        return (metric * (points - delta).square()).flatten(1).sum(1) / 2 + weights * norms(points, "inf")

    found = proximal_linf_box(delta, weights, metric, lower, upper)
    assert ((found >= lower) & (found <= upper)).all()
    for size in torch.linspace(0, 1, 101, dtype=torch.float64):
        assert (cost(found) <= cost(delta.clamp(lower, upper).clamp(-size, size)) + 2e-5).all()


def test_in_a_box_by_hand() -> None:
    # Sizes .3 and .4 of weight .2: metric 1 takes .2 off the larger until both are at .25.
    delta = torch.tensor([0.3, -0.4], dtype=torch.float64).view(1, 1, 1, 2)
    metric, weight = torch.ones_like(delta), torch.tensor([0.2], dtype=torch.float64)
    found = proximal_linf_box(delta, weight, metric, -torch.ones_like(delta), torch.ones_like(delta))
    assert found.flatten().tolist() == pytest.approx([0.25, -0.25], abs=1e-6)
    # A bound of .1 on the one that is larger leaves .3 - .2 of the other.
    found = proximal_linf_box(delta, weight, metric, torch.full_like(delta, -0.05), torch.ones_like(delta))
    assert found.flatten().tolist() == pytest.approx([0.1, -0.05], abs=1e-6)


def test_in_a_box_an_image_is_treated_as_if_it_were_alone() -> None:
    delta = perturbations(5, 4)
    weights = torch.full((4,), 0.05, dtype=torch.float64)
    metric, lower, upper = box(delta, 5)
    together = proximal_linf_box(delta, weights, metric, lower, upper)
    for i in range(4):
        one = slice(i, i + 1)
        alone = proximal_linf_box(delta[one], weights[one], metric[one], lower[one], upper[one])
        assert torch.equal(alone, together[one])
    assert (together[3] == 0).all()
