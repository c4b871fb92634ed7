"""Attacks within a fixed budget: the ball, its random points, the sign of the loss, projected steps."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, unsqueeze_like
from benchmark.attacks.losses import valid_mean
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
        """
        images, eps = batch.images, factor * batch.eps
        if self.norm == "inf":
            drawn = 2 * uniform(batch.seeds, images.shape[1:], stream, images.dtype) - 1
        else:
            drawn = direction(normal(batch.seeds, images.shape[1:], stream, images.dtype), 2)
        return project(images + unsqueeze_like(eps, images) * drawn, images, eps, self.norm)

    def ascended(self, misfit: Tensor, batch: Batch) -> Tensor:
        """What grows as the attack succeeds: the mean misfit of predictions to labels, or if targeted its negative.

        misfit (B, h, w) per pixel -> (B,), over each image's own valid pixels.
        """
        mean = valid_mean(misfit, batch.valid)
        return -mean if self.targeted else mean


@dataclass(frozen=True)
class ProjectedSteps(Budgeted):
    """Steps of fixed length along the gradient (its sign for "inf"), each projected onto the ball: PGD and its kin.

    Args:
        step_size: length of a step in `norm`; None: `relative_step` budgets, which alone makes sense at any budget.
        relative_step: length of a step in budgets, where there is no `step_size`.
        random_start: start at a random point of the ball; False: at the clean image.
    """

    step_size: float | None = None
    relative_step: float = 0.25
    random_start: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "step_size", "relative_step")

    def start(self, batch: Batch) -> Tensor:
        return self.random_point(batch) if self.random_start else batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        _, gradient = query.gradient(lambda logits, points: self.ascended(self.misfit(logits, batch), batch))
        length = self.step_length(batch)
        points = batch.iterates + unsqueeze_like(length, gradient) * direction(gradient, self.norm)
        return project(points, batch.images, batch.eps, self.norm)

    def step_length(self, batch: Batch) -> Tensor:
        """Of each image, (B,)."""
        return self.relative_step * batch.eps if self.step_size is None else torch.full_like(batch.eps, self.step_size)

    @abstractmethod
    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        """How badly each pixel fits its label, weighted; logits (B, K, h, w) -> (B, h, w)."""
