"""Expectation over transformation (Athalye et al., ICML 2018, arXiv 1707.07397), for victims that draw at random."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Loss, Query
from benchmark.attacks.wrapper import Wrapper


@dataclass(frozen=True)
class EOT(Wrapper):
    """Another rule, on the mean of several passes through the model in place of one.

    A victim that draws at random, by dropout or by a random transform, gives each pass another gradient. The rule gets
    the mean gradient of k passes, which is that of the expected loss up to the draws, and the mean of their logits.
    The engine judges an iterate by the last of its k passes, and confirms a success by a pass of its own. A step costs
    k times what it costs the rule. On a victim without randomness nothing but the cost changes.

    Args:
        draws: k, at least 1.
    """

    draws: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[1, inf)", "draws")
        self.declare(
            passes_per_step=self.draws * self.rule.passes_per_step,
            gradients_per_step=self.draws * self.rule.gradients_per_step,
        )

    def told(self, batch: Batch, query: Query) -> Query:
        return _MeanOfDraws(query, self.draws)


class _MeanOfDraws:
    """A query whose every answer is the mean of several."""

    def __init__(self, query: Query, draws: int) -> None:
        self._query, self._draws, self.judge = query, draws, query.judge
        self.logits: Tensor | None = None

    def forward(self, points: Tensor | None = None) -> Tensor:
        logits = torch.stack([self._query.forward(points) for _ in range(self._draws)]).mean(0)
        return self._seen(logits, points)

    def gradient(self, loss: Loss, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        drawn = [self._query.gradient(loss, points) for _ in range(self._draws)]
        logits, gradient = (torch.stack(list(values)).mean(0) for values in zip(*drawn, strict=True))
        return self._seen(logits, points), gradient

    def _seen(self, logits: Tensor, points: Tensor | None) -> Tensor:
        if points is None:
            self.logits = logits
        return logits
