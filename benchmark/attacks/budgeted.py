"""What attacks within a fixed budget share: the ball, its random points, steps that stay in it, losses to choose from.

A rule calls what it needs of this; its own file has all of its steps.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from benchmark.attacks.base import Batch, Rule, unsqueeze_like
from benchmark.attacks.losses import clipped_misfit, cross_entropy, dlr, margin, valid_mean
from benchmark.attacks.projection import direction, project
from benchmark.attacks.random_draws import normal, uniform


@dataclass(frozen=True)
class Budgeted(Rule):
    """A rule whose iterates stay in a ball around the clean image, cut with [0, 1].

    Args:
        targeted: labels are maps to reach (True) or the truth to leave (False).
        norm: 2 or "inf", of the ball.
        eps: radius of the ball, on the [0, 1] scale; an image's own budget takes precedence.
    """

    targeted: bool = True
    norm: Literal[2, "inf"] = "inf"
    eps: float = 8 / 255

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[0, inf)", "eps")

    def random_point(self, batch: Batch, stream: int | Tensor = 0, factor: float | Tensor = 1.0) -> Tensor:
        """A random point (B, C, H, W) of the ball of `factor` budgets (a number or (B,)).

        Uniform in the box for "inf"; uniform on the sphere for 2, on which nearly all of such a ball's volume lies.
        Each `stream`, a number or (B,) int64, gives another point.
        """
        images, eps = batch.images, factor * batch.eps
        if self.norm == "inf":
            drawn = 2 * uniform(batch.seeds, images.shape[1:], stream, images.dtype) - 1
        else:
            drawn = direction(normal(batch.seeds, images.shape[1:], stream, images.dtype), 2)
        return project(images + unsqueeze_like(eps, images) * drawn, images, eps, self.norm)

    def moved(self, batch: Batch, gradient: Tensor, length: Tensor) -> Tensor:
        """The iterates after a step uphill of a length (B,) in the norm, projected: P(x + length · u), (B, C, H, W).

        u is the sign of the gradient (B, C, H, W) for "inf" and g / ‖g‖₂ for 2, 0 where g is 0; P takes a point to the
        nearest one within the budget and [0, 1].
        """
        points = batch.iterates + unsqueeze_like(length, gradient) * direction(gradient, self.norm)
        return project(points, batch.images, batch.eps, self.norm)

    def ascended(self, misfit: Tensor, batch: Batch) -> Tensor:
        """What grows as the attack succeeds: the mean misfit of predictions to labels, or if targeted its negative.

        misfit (B, h, w) per pixel -> (B,), over each image's own valid pixels.
        """
        mean = valid_mean(misfit, batch.valid)
        return -mean if self.targeted else mean

    def misfit_by(self, loss: Literal["ce", "margin", "dlr"], logits: Tensor, batch: Batch) -> Tensor:
        """How badly each pixel fits its label y; logits z (B, K, h, w) -> (B, h, w).

        "ce": −log softmax(z)_y. "margin": max_{k≠y} z_k − z_y. "dlr": that in units of z₍₁₎ − z₍₃₎, see `losses.dlr`.
        The last two are 0 where a pixel is won: where y is predicted if targeted, where it is not if untargeted.
        """
        if loss == "ce":
            return cross_entropy(logits, batch.labels)
        by_margin = loss == "margin"
        lead = margin(logits, batch.labels) if by_margin else dlr(logits, batch.labels, self.targeted)
        return clipped_misfit(lead, self.targeted)
