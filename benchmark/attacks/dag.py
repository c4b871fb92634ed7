"""Dense Adversary Generation (Xie et al., ICCV 2017, arXiv 1703.08603)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like
from benchmark.attacks.losses import hinge
from benchmark.attacks.projection import without_leaving

Bounds = Literal["free", "published"]


@dataclass(frozen=True)
class DAG(Rule):
    """Dense Adversary Generation (arXiv 1703.08603): normalised steps on the pixels that are not fooled yet.

    With m_i = z_y − max of the other logits at the valid pixels, if the truth y is to be left, and its negative, if y
    is to be reached, and g the gradient of Σ max(m_i, 0),

        x' ← clip₀₁(x' − step_size · g / ‖g‖_norm),

    where a value at a bound takes no part in g while its step points out of [0, 1]. The norm grows with every step, so
    it is meant to end at the first success: run it with `stop=True`. Once all its pixels are fooled an image has ended.

    The published code (jeromerony/adversarial-library) shows the network the clipped sum of the image and all steps,
    and the gradient of clipping is 0 at its ends: a value that has reached a bound takes no part in g and never moves
    again. `bounds="published"` does the same. (Under PyTorch versions whose clipping passes a gradient at its ends,
    that code lets a value at a bound take part in ‖g‖ until a step has led out of [0, 1].) One deviation remains: an
    image that never succeeds is given back clean there, while here the engine keeps its best iterate.

    Args:
        targeted: reach the labels, else leave them.
        norm: 2 or "inf", in which the steps are of one size.
        step_size: the norm of a step, γ. Published: 0.5, for values up to 255; on [0, 1] users take 0.001 to 0.003
            for "inf".
        bounds: "free", values leave a bound when their gradient says so; "published", as in the public code.
    """

    targeted: bool = True
    norm: Literal[2, "inf"] = "inf"
    ends_images = True
    step_size: float = 0.003
    bounds: Bounds = "free"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf]", "step_size")

    def step(self, batch: Batch, query: Query) -> Tensor:
        gradient = query.gradient(lambda logits, points: hinge(logits, batch, self.targeted))[1]
        if self.bounds == "published":
            gradient = torch.where((batch.iterates > 0) & (batch.iterates < 1), gradient, 0)
        else:
            gradient = without_leaving(gradient, batch.iterates)
        # Without a gradient the image would never move again.
        batch.done = (gradient == 0).flatten(1).all(1)
        size = unsqueeze_like(norms(gradient, self.norm).clamp(min=1e-8), gradient)
        return (batch.iterates - self.step_size * gradient / size).clamp(0, 1)
