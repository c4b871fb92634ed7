"""A penalised attack by Adam (after Carlini and Wagner, S&P 2017, arXiv 1608.04644), steered by the engine's judge."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, unsqueeze_like
from benchmark.attacks.schedules import half_cosine, pace
from benchmark.attacks.steered_adam import SteeredAdam

_UNREACHED = 3.0  # factor of the weight of an image that ends its walk without a success
_SLOWER = 0.5  # part of c by which the weight grows before the first success
_LARGEST = 1e9  # weight; the norm has long ceased to matter, and squares of the gradient are still finite in float32


@dataclass(frozen=True, kw_only=True)
class AdamPenalty(SteeredAdam):
    """Adam on the squared L2 norm plus a weighted shortfall, whose weight follows the judge.

    After the walk that `SteeredAdam` describes, with f its shortfall and n the number of valid pixels, descends

        ‖x' − x‖²₂ + w / √n · f(x')

    by Adam, each update clipped to [0, 1]. The weight w falls by the factor 1 + c where the judge holds and grows by it
    elsewhere, so that the iterates go to and fro across the judge's bound; c and the step size fall by half a cosine
    over the steps. An image that the walk has not brought to success begins with 3 w, and its weight grows by 1 + c/2
    until the first success: iterates that follow a slowly growing weight arrive at smaller norms. With N < 100 steps c
    is 100/N times as large.

    Carlini and Wagner search the weight from outside, by runs that begin anew, and ask for one class of one image.
    Run it with `stop: false`.

    Args:
        step_size: of Adam at the first step, in image values.
        step_size_end: at the last step.
        weight: w at the beginning.
        change: c at the first step.
        change_end: c at the last one.
    """

    norm: Literal[2] = 2
    step_size: float = 0.01
    step_size_end: float = 0.0005
    weight: float = 1.0
    change: float = 0.1
    change_end: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, inf)", "step_size", "step_size_end", "weight")
        self.check_range("[0, inf)", "change", "change_end")

    def start(self, batch: Batch) -> Tensor:
        batch.state["weight"] = torch.full_like(batch.best_norm, self.weight)
        return super().start(batch)

    def steered(self, gradient: Tensor, success: Tensor, begins: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        change = pace(batch) * half_cosine(batch, self.change, self.change_end)
        weight = torch.where(begins & ~success, _UNREACHED * batch.state["weight"], batch.state["weight"])
        grown = weight * (1 + torch.where(batch.state["succeeded"], 1, _SLOWER) * change)
        adapted = torch.where(success, weight / (1 + change), grown).clamp(max=_LARGEST)
        # The gradient at hand is that of the weight before the verdict.
        pixels = batch.valid.flatten(1).sum(1).clamp(min=1).to(weight.dtype).sqrt()
        pull = 2 * (batch.iterates - batch.images) + unsqueeze_like(weight / pixels, gradient) * gradient
        batch.state["weight"] = torch.where(batch.state["walked"] & ~(begins & success), adapted, weight)
        batch.report["weight"] = batch.state["weight"]
        return half_cosine(batch, self.step_size, self.step_size_end), pull
