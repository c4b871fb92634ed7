import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.attacks.base import norms
from benchmark.attacks.projection import direction, project, stretch


def image(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    """(1, 1, 1, n)."""
    return torch.tensor(values, dtype=dtype).view(1, 1, 1, -1)


def budget(*eps: float) -> Tensor:
    return torch.tensor(eps, dtype=torch.float64)


def test_box_by_hand() -> None:
    found = project(image(0.9, -0.4, 0.45, 2.0), image(0.5, 0.05, 0.5, 0.95), budget(0.1), "inf")
    assert torch.allclose(found, image(0.6, 0.0, 0.45, 1.0), rtol=0, atol=1e-15)


def test_ball_by_hand() -> None:
    # Inside of the range: 5 long, so .5 is a tenth of the way.
    found = project(image(0.5 + 3, 0.5 - 4), image(0.5, 0.5), budget(0.5), 2)
    assert torch.allclose(found, image(0.8, 0.1), rtol=0, atol=1e-15)
    # The first value stops at 1 after .3; what is left of .5 squared is .16, so the second goes on to .4.
    found = project(image(0.7 + 4, 0.3 + 4), image(0.7, 0.3), budget(0.5), 2)
    assert torch.allclose(found, image(1.0, 0.7), rtol=0, atol=1e-15)
    # Both stop: the ball is not reached.
    found = project(image(9.0, -9.0), image(0.7, 0.3), budget(0.5), 2)
    assert torch.allclose(found, image(1.0, 0.0), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("norm", "eps", "expected"),
    [("inf", 0.2, (0.7, 0.45, 0.0)), (2, 0.1, (0.58, 0.44, 0.03)), ("inf", 0.02, (0.52, 0.49, 0.01))],
)
def test_stretched_to_the_bound_by_hand(norm, eps: float, expected: tuple[float, ...]) -> None:
    clean = image(0.5, 0.5, 0.03)
    delta = (0.04, -0.01, -0.03) if norm == "inf" else (0.04, -0.03, 0.0)
    found = stretch(clean + image(*delta), clean, budget(eps), norm)
    assert torch.allclose(found, image(*expected), rtol=0, atol=1e-15)


@pytest.mark.parametrize("norm", [2, "inf"])
def test_nothing_is_stretched_that_is_the_image_or_has_no_bound(norm) -> None:
    clean, other = image(0.5, 0.2), image(0.6, 0.2)
    assert torch.equal(stretch(clean, clean, budget(0.1), norm), clean)
    assert torch.equal(stretch(other, clean, budget(math.inf), norm), other)


@pytest.mark.parametrize("norm", [2, "inf"])
def test_without_a_budget_only_the_range_counts(norm) -> None:
    found = project(image(1.5, 0.3, -7.0), image(0.5, 0.9, 0.5), budget(math.inf), norm)
    assert torch.equal(found, image(1.0, 0.3, 0.0))


@pytest.mark.parametrize("norm", [2, "inf"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_room_it_is_the_image(norm, dtype: torch.dtype) -> None:
    clean = image(0.123456789, 1.0, 0.0, dtype=dtype)
    assert torch.equal(project(clean + 0.3, clean, budget(0.0), norm), clean)


def bisected(points: Tensor, images: Tensor, eps: float) -> Tensor:
    """The projection onto the ball by its definition: the multiplier that meets the budget, found by halving."""

    def at(multiplier: float) -> Tensor:
        return (images + (points - images) / (1 + multiplier)).clamp(0, 1)

    if norms(at(0) - images, 2) <= eps:
        return at(0)
    low, high = 0.0, 1e9
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if norms(at(middle) - images, 2) <= eps else (middle, high)
    return at(high)


@st.composite
def points_and_images(draw) -> tuple[Tensor, Tensor, Tensor]:
    count, size = draw(st.integers(1, 3)), draw(st.integers(1, 30))
    unit = st.floats(0, 1, width=32)
    images = draw(st.lists(st.one_of(unit, st.sampled_from([0.0, 1.0])), min_size=count * size, max_size=count * size))
    way = draw(st.lists(st.floats(-3, 3, width=32), min_size=count * size, max_size=count * size))
    eps = draw(st.lists(st.floats(1e-4, 3), min_size=count, max_size=count))
    clean = torch.tensor(images, dtype=torch.float64).view(count, 1, 1, size)
    return clean + torch.tensor(way, dtype=torch.float64).view_as(clean), clean, torch.tensor(eps, dtype=torch.float64)


@settings(deadline=None, max_examples=80)
@given(points_and_images(), st.sampled_from([torch.float32, torch.float64]))
def test_in_range_in_budget_and_nearest(drawn: tuple[Tensor, Tensor, Tensor], dtype: torch.dtype) -> None:
    points, images, eps = drawn
    for norm in (2, "inf"):
        found = project(points.to(dtype), images.to(dtype), eps, norm)
        assert found.dtype == dtype
        assert found.min() >= 0
        assert found.max() <= 1
        # float32 rounds each value; more than this the engine would not let pass.
        assert (norms(found.double() - images, norm) <= eps + 1e-6 * eps.clamp(min=1)).all()
        alone = [
            project(points[i : i + 1].to(dtype), images[i : i + 1].to(dtype), eps[i : i + 1], norm)
            for i in range(len(eps))
        ]
        assert torch.equal(found, torch.cat(alone))
        assert torch.allclose(project(found, images.to(dtype), eps, norm), found, rtol=0, atol=1e-6)
    nearest = [bisected(points[i : i + 1], images[i : i + 1], eps[i].item()) for i in range(len(eps))]
    found = project(points.to(dtype), images.to(dtype), eps, 2)
    assert torch.allclose(found.double(), torch.cat(nearest), rtol=0, atol=2e-6)


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 0.5])
def test_rounding_of_many_values_does_not_break_a_small_budget(eps: float) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, 256, 256, generator=generator)
    points = images + torch.randn(images.shape, generator=generator)
    found = project(points, images, budget(eps), 2)
    assert norms(found.double() - images.double(), 2).item() <= eps + 1e-12


def test_directions_by_hand() -> None:
    gradient = torch.cat([image(3.0, 0.0, -4.0), image(0.0, 0.0, 0.0)])
    assert torch.allclose(direction(gradient, 2), torch.cat([image(0.6, 0.0, -0.8), image(0.0, 0.0, 0.0)]))
    assert torch.equal(direction(gradient, "inf"), torch.cat([image(1.0, 0.0, -1.0), image(0.0, 0.0, 0.0)]))


@pytest.mark.parametrize("size", [1e-38, 1e-25, 1e30])
def test_directions_of_gradients_whose_squares_no_float_holds(size: float) -> None:
    found = direction(size * image(3.0, 4.0, dtype=torch.float32), 2)
    assert torch.allclose(found, image(0.6, 0.8, dtype=torch.float32), atol=1e-6)


def test_other_norms_are_refused() -> None:
    with pytest.raises(ValueError, match="norm=1: projections exist for 2 and 'inf'"):
        project(image(0.5), image(0.5), budget(1), 1)
    with pytest.raises(ValueError, match="norm=3: steps exist for 2 and 'inf'"):
        direction(image(0.5), 3)  # type: ignore[arg-type]
