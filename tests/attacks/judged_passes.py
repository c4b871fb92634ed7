"""A query whose judge says what it was told to, and a driver of rules that ask it."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmark.attacks.base import Batch, Rule
from tests.attacks.two_by_two import Linear, Passes


class Judged(Passes):
    """A query on the linear model whose judge says what it was told to."""

    def __init__(self, batch: Batch, success: bool | Sequence[bool], model: nn.Module | None = None) -> None:
        super().__init__(model or Linear(), batch)
        self.success = [success] if isinstance(success, bool) else list(success)

    def judge(self, logits: Tensor) -> Tensor:
        return torch.tensor(self.success)


def judged(rule: Rule, batch: Batch, verdicts: Sequence[bool], reported: str) -> tuple[list[list[float]], list[float]]:
    """The iterates, the first one included, and what the rule reported under a name at each step."""
    iterates, reports = [batch.iterates.flatten().tolist()], []
    for success in verdicts:
        batch.iterates = rule.step(batch, Judged(batch, success))
        batch.steps = batch.steps + 1
        iterates.append(batch.iterates.flatten().tolist())
        reports.append(batch.report[reported].item())
    return iterates, reports
