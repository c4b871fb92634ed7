"""Staying within a budget: projections onto a ball around the clean image cut with the image range [0, 1]."""

from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import unsqueeze_like

# Each round finds more of the values that stop at 0 or 1. Points one step away need two or three; too few leave a point
# inside of the ball.
_ROUNDS = 8


def project(points: Tensor, images: Tensor, eps: Tensor, norm: Literal[1, 2, "inf"]) -> Tensor:
    """The nearest points in [0, 1] whose distance from the images is at most `eps`.

    Nearest in the Euclidean sense for both norms, and never outside of the ball by more than the rounding of one value.

    Args:
        points: (B, C, H, W), any finite values.
        images: (B, C, H, W) in [0, 1].
        eps: (B,) not negative, infinite for no budget.
        norm: 2 or "inf"; raises ValueError for another.

    Returns:
        (B, C, H, W) in the dtype of the images.
    """
    budget = unsqueeze_like(eps.to(images.dtype), images)
    if norm == "inf":
        return torch.minimum(torch.maximum(points, images - budget), images + budget).clamp(0, 1)
    if norm == 2:
        return _onto_ball(points, images, budget)
    raise ValueError(f"norm={norm!r}: projections exist for 2 and 'inf'")


def stretch(points: Tensor, images: Tensor, eps: Tensor, norm: Literal[1, 2, "inf"]) -> Tensor:
    """Points within a budget, each moved away from its image until their distance is `eps`, and cut to [0, 1].

    They stay in the direction from the image in which they are; those that are their image stay there. Arguments and
    result as of `project`.
    """
    delta = points - images
    if norm == "inf":
        size = delta.abs().flatten(1).amax(1)
    else:
        size = torch.linalg.vector_norm(delta.flatten(1), ord=float(norm), dim=1)
    factor = torch.where((size > 0) & eps.isfinite(), eps / size, 1).clamp(min=1)
    return project(images + unsqueeze_like(factor, delta) * delta, images, eps, norm)


def direction(gradient: Tensor, norm: Literal[1, 2, "inf"]) -> Tensor:
    """The step of length 1 in `norm` along which a linear function grows fastest, per image; 0 where the gradient is 0.

    The gradient is (B, C, H, W). Raises ValueError for a norm other than 2 and "inf".
    """
    if norm == "inf":
        return gradient.sign()
    if norm == 2:
        # Scaled first: squares of a saturated model's gradients would vanish in float32.
        largest = unsqueeze_like(gradient.abs().flatten(1).amax(1), gradient)
        scaled = gradient / torch.where(largest > 0, largest, torch.ones_like(largest))
        return scaled / _length(scaled).clamp(min=1).to(scaled.dtype)
    raise ValueError(f"norm={norm!r}: steps exist for 2 and 'inf'")


def without_leaving(gradient: Tensor, points: Tensor) -> Tensor:
    """The gradient (B, C, H, W) with 0 where a step against it would take a value at a bound out of [0, 1]."""
    return torch.where(torch.where(gradient > 0, points <= 0, points >= 1), 0, gradient)


def _onto_ball(points: Tensor, images: Tensor, budget: Tensor) -> Tensor:
    """The nearest point is clip(x + t (points - x)) for the t in [0, 1] that uses the budget up, if points are outside.

    Its squared distance is Σ min(s dᵢ², rᵢ²), with s = t² and rᵢ the way from xᵢ to the range's end: piecewise linear
    and concave in s. Newton's method from s = 0 therefore ends at the solution after a few rounds and never passes it.
    """
    delta = points - images
    reach = torch.where(delta < 0, images, 1 - images)
    way, stop = delta.square(), reach.square()
    reached_at, nothing = stop / way, torch.zeros_like(way)
    square = budget.double().square()
    scale = torch.zeros_like(square)
    for _ in range(_ROUNDS):
        stopped = reached_at <= scale
        left = square - _total(torch.where(stopped, stop, nothing))
        moving = _total(torch.where(stopped, nothing, way))
        following = left.clamp(min=0) / moving.clamp(min=torch.finfo(moving.dtype).tiny)
        scale = torch.where(moving > 0, following.clamp(max=1), scale)
    # In float64 and rounded towards the image: over all pixels, float32's rounding is not small beside a small budget.
    clean = images.double()
    exact = (scale.sqrt() * delta.double()).clamp(-clean, 1 - clean)
    rounded = (clean + exact).to(images.dtype)
    beyond = (rounded.double() - clean).abs() > exact.abs()
    rounded = torch.where(beyond, rounded.nextafter(images), rounded)
    return torch.where(scale < 1, rounded, points.clamp(0, 1))


def _total(values: Tensor) -> Tensor:
    """Sum per image, with an image's dimensions; in float64."""
    return unsqueeze_like(values.flatten(1).sum(1, dtype=torch.float64), values)


def _length(values: Tensor) -> Tensor:
    return unsqueeze_like(torch.linalg.vector_norm(values.flatten(1), dim=1), values)
