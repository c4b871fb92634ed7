"""Proximity operators: for each image the perturbation that is both near a given one and small in a norm.

All of them take and return perturbations (B, C, H, W) and never wait for the device.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import unsqueeze_like

_SECTION = 1 / 3


def proximal(delta: Tensor, weight: Tensor, norm: Literal[1, 2, "inf"]) -> Tensor:
    """argmin_p ½‖p − δ‖²₂ + weight · ‖p‖, the norm weighted per image.

    Args:
        delta: (B, C, H, W).
        weight: (B,), not negative; where it is 0 the perturbation stays, where it is infinite nothing of it is left.
        norm: 1 shrinks every value (soft threshold), 2 the whole perturbation, "inf" clips its largest values (what
            remains of the projection onto the L1 ball, by Moreau's decomposition).

    Returns:
        (B, C, H, W).
    """
    flat, amount = delta.flatten(1), weight.unsqueeze(1)
    if norm == 1:
        shrunk = (flat.abs() - amount).clamp(min=0).copysign(flat)
    elif norm == 2:
        size = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
        shrunk = torch.where(size > amount, flat * (1 - amount / size), 0)
    elif norm == "inf":
        shrunk = flat - _l1_ball(flat, amount)
    else:
        raise ValueError(f"proximal: norm must be 1, 2 or 'inf', got {norm!r}")
    return shrunk.view_as(delta)


def _l1_ball(flat: Tensor, radius: Tensor) -> Tensor:
    """The nearest points (B, n) in L1 balls of the radii (B, 1), by sorting (Duchi et al., ICML 2008)."""
    ordered = flat.abs().sort(dim=1, descending=True).values
    count = torch.arange(1, flat.shape[1] + 1, device=flat.device, dtype=flat.dtype)
    excess = (ordered.cumsum(1) - radius) / count
    # The excess is below the value it belongs to for all values that stay, and for no other.
    last = ((excess < ordered).sum(1, keepdim=True) - 1).clamp(min=0)
    projected = (flat.abs() - excess.gather(1, last)).clamp(min=0).copysign(flat)
    return torch.where(ordered.sum(1, keepdim=True) > radius, projected, flat)


def proximal_linf_box(
    delta: Tensor, weight: Tensor, metric: Tensor, lower: Tensor, upper: Tensor, *, tolerance: float = 1e-6
) -> Tensor:
    """argmin_p ½ Σ metric · (p − δ)² + weight · ‖p‖∞ over lower ≤ p ≤ upper, to `tolerance` in ‖p‖∞.

    The solution clips δ to the box and to some largest size, which a ternary search finds (arXiv 2206.07179). Each
    image takes as many rounds as its own size needs, whatever its neighbours need.

    Args:
        delta, metric, lower, upper: (B, C, H, W); metric positive, lower ≤ 0 ≤ upper, both at most 1 in size.
        weight: (B,), not negative.

    Returns:
        (B, C, H, W).
    """
    boxed = delta.clamp(lower, upper)

    def cost(size: Tensor) -> Tensor:
        limit = unsqueeze_like(size, boxed)
        return (metric * (boxed.clamp(-limit, limit) - delta).square()).flatten(1).sum(1).addcmul(size, 2 * weight)

    right = boxed.abs().flatten(1).amax(1)
    left = torch.zeros_like(right)
    shrinkage = math.log(1 - _SECTION)
    rounds = ((tolerance / right).log() / shrinkage).ceil()
    for done in range(math.ceil(math.log(tolerance) / shrinkage)):
        near, far = torch.lerp(left, right, _SECTION), torch.lerp(left, right, 1 - _SECTION)
        active, beyond = rounds > done, cost(near) >= cost(far)
        left = torch.where(active & beyond, near, left)
        right = torch.where(active & ~beyond, far, right)
    limit = unsqueeze_like(torch.lerp(left, right, 0.5), boxed)
    return boxed.clamp(-limit, limit)
