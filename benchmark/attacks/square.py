"""Square attack (Andriushchenko et al., ECCV 2020, arXiv 1912.00049): random search that needs no gradient."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, unsqueeze_like
from benchmark.attacks.budgeted import Budgeted
from benchmark.attacks.projection import project
from benchmark.attacks.random_draws import uniform

_HALVED_AFTER = (10, 50, 200, 500, 1_000, 2_000, 4_000, 6_000, 8_000)
"""The queries after which `share` is halved, of `_OF` queries; rescaled to as many as there are."""
_OF = 10_000


@dataclass(frozen=True)
class Square(Budgeted):
    """Changes one square at a time, at a random place, and keeps what lowers the loss; each trial is one forward pass.

    Algorithms 1 and 2 of the paper, for Linf. The first trial is x + ε s, with s = ±1 for each channel and column.
    Trial n = 1, 2, ... of N adds ±2ε, one sign per channel, within a square whose side is √(p·H·W), rounded, at least 1
    and at most the smaller of H and W, and projects the result onto the ball and [0, 1]. p is `share`, halved where
    10,000 n / N has passed 10, 50, 200, 500, 1,000, 2,000, 4,000, 6,000 and 8,000. A trial becomes the best point if
    its loss is smaller.

    The loss is chosen for segmentation: the mean of max(m_i, 0) over the valid pixels, with m_i = z_y − max of the
    other logits if the labels are to be left and its negative if they are to be reached, so that it is 0 when all
    pixels are won. The paper has one pixel. All iterates are trials, those that are not kept included; the engine
    judges each of them.

    Args:
        norm: "inf" only.
        share: p at the beginning, the part of the image's pixels that a square covers, in (0, 1].
    """

    norm: Literal["inf"] = "inf"
    share: float = 0.8
    passes_per_step = 1
    gradients_per_step = 0
    may_start_anywhere = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("(0, 1]", "share")

    def start(self, batch: Batch) -> Tensor:
        channels, _, columns = batch.images.shape[1:]
        signs = _signs(uniform(batch.seeds, (channels, 1, columns), 0, batch.images.dtype))
        batch.state["best"] = batch.images
        batch.state["best_loss"] = torch.full_like(batch.eps, torch.inf)
        points = batch.images + unsqueeze_like(batch.eps, signs) * signs
        return project(points, batch.images, batch.eps, self.norm)

    def step(self, batch: Batch, query: Query) -> Tensor:
        loss = -self.ascended(self.misfit_by("margin", query.forward(), batch), batch)
        better = loss < batch.state["best_loss"]
        best = torch.where(unsqueeze_like(better, batch.iterates), batch.iterates, batch.state["best"])
        batch.state |= {"best": best, "best_loss": torch.where(better, loss, batch.state["best_loss"])}
        batch.report["best_loss"] = batch.state["best_loss"]
        change = 2 * unsqueeze_like(batch.eps, best) * self._square(batch)
        return project(best + change, batch.images, batch.eps, self.norm)

    def _square(self, batch: Batch) -> Tensor:
        """The next trial's square: ±1 inside of it, one sign per channel, and 0 elsewhere; (B, C, H, W)."""
        channels, height, width = batch.images.shape[1:]
        trial = batch.steps + 1
        drawn = uniform(batch.seeds, (2 + channels,), trial, torch.float64)
        side = square_side(trial, batch.max_steps, height, width, self.share)
        inside = []
        for size, place in zip((height, width), drawn[:, :2].unbind(1), strict=True):
            first = (place * (size - side + 1)).floor().unsqueeze(1)
            index = torch.arange(size, device=side.device)
            inside.append((index >= first) & (index < first + side.unsqueeze(1)))
        within = inside[0].unsqueeze(2) & inside[1].unsqueeze(1)
        signs = _signs(drawn[:, 2:]).to(batch.images.dtype)
        return signs[:, :, None, None] * within.unsqueeze(1)


def square_side(trials: Tensor, total: int, height: int, width: int, share: float) -> Tensor:
    """The side (B,) int64, in pixels, of the squares of `trials` (B,) int64, counted from 1, of `total`."""
    passed = trials * _OF // max(total, 1)
    halvings = torch.stack([passed > queries for queries in _HALVED_AFTER]).sum(0)
    side = (share * 0.5 ** halvings.double() * height * width).sqrt().round()
    return side.clamp(1, min(height, width)).to(torch.int64)


def _signs(drawn: Tensor) -> Tensor:
    """−1 or 1, each as likely, from uniform draws in [0, 1)."""
    return torch.where(drawn < 0.5, -1, 1).to(drawn.dtype)
