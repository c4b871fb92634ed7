"""The smallest budget at which a budgeted attack succeeds, image by image."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like

_INNER = "rule."


@dataclass(frozen=True)
class Bisection(Rule):
    """Runs a budgeted rule in rounds, each with its own budget, until it is known how small a budget suffices.

    A round starts anew and takes `steps` updates. A confirmed success ends its round at once, and its norm is the new
    upper end `high`; a round without success makes its budget the lower end `low`. The next budget is the geometric
    mean √(low · high), or high / growth as long as no round has failed. An image is done when high ≤ (1 + tolerance) ·
    low.

    While none has succeeded the budget is multiplied by `growth`, up to all of [0, 1]. A rule may fail there and
    succeed with less, because its steps grow with its budget. So when the largest budget has failed, too, smaller ones
    follow: pass j = 1, 2, … takes the budgets initial · growth^e with e = 2^−j − (j − 1) and then 2^(1−j) more each
    time, which lie between those that have failed and from one `growth` lower at each further pass. It ends when
    neighbours are no more than 1 + tolerance apart.

    Every pass of every round is counted. Run it with stop=False, the first success is only the beginning, and with
    keep="best": by scores alone nothing is confirmed.

    Args:
        rule: any rule that keeps to `batch.eps`; its own eps is not used.
        steps: updates in a round, the inner rule's N.
        initial: first budget, for the norms 1 and 2 per value: multiplied by n or √n, n values to an image.
        growth: factor of the search for the first success.
        tolerance: how close the ends have to come.
    """

    ends_images = True

    rule: Rule
    steps: int = 20
    initial: float = 4 / 255
    growth: float = 4.0
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[1, inf)", "steps")
        self.check_range("(0, inf)", "initial")
        self.check_range("(0, inf]", "tolerance")
        self.check_range("(1, inf)", "growth")
        if self.rule.eps is None:
            raise ValueError(f"Bisection: {type(self.rule).__name__} has no budget to search")
        known = ("norm", "targeted", "passes_per_step", "gradients_per_step", "wants_class_pixels")
        self.declare(**{name: getattr(self.rule, name) for name in known})

    def start(self, batch: Batch) -> Tensor:
        size = self._first(batch)
        none, no = torch.zeros_like(batch.steps), torch.zeros_like(batch.done)
        batch.state |= {"eps": size, "low": torch.zeros_like(size), "high": torch.full_like(size, math.inf)}
        batch.state |= {"age": none, "round": none, "grid": none, "spent": no, "pending": no}
        inner = self._inner(batch)
        points = self.rule.start(inner)
        batch.state |= {_INNER + name: value for name, value in inner.state.items()}
        return points

    def step(self, batch: Batch, query: Query) -> Tensor:
        inner = self._inner(batch)
        following = self.rule.step(inner, query)
        batch.report |= inner.report | {"eps": batch.state["eps"]}
        batch.state |= {_INNER + name: value for name, value in inner.state.items()}
        logits = query.forward() if query.logits is None else query.logits
        return self._end_rounds(batch, following, inner.done, query.judge(logits))

    def _inner(self, batch: Batch) -> Batch:
        """The batch as the inner rule sees it: steps, budget and seeds are those of the round."""
        state = {name.removeprefix(_INNER): value for name, value in batch.state.items() if name.startswith(_INNER)}
        outer = batch.state
        # Each round has random starts of its own.
        seeds = batch.seeds ^ (outer["round"] << 32)
        round_ = replace(batch, steps=outer["age"], max_steps=self.steps, eps=outer["eps"], seeds=seeds)
        return replace(round_, state=state, report={}, done=torch.zeros_like(batch.done))

    def _end_rounds(self, batch: Batch, following: Tensor, exhausted: Tensor, promising: Tensor) -> Tensor:
        """End rounds that are over, and begin the next ones.

        A round is due when the iterate of its last update has been judged. If that iterate is a success (`promising`),
        the round does not fail before the success has been confirmed or refused.
        """
        state = batch.state
        age, eps, low = state["age"] + 1, state["eps"], state["low"]
        succeeded = batch.best_norm < state["high"]
        high = torch.minimum(state["high"], batch.best_norm)
        due = (age > self.steps) | state["spent"]
        pending = due & promising & ~state["pending"] & ~succeeded
        failed = due & ~succeeded & ~pending
        over = succeeded | failed
        # Where a random start is luckier than an earlier one was with more.
        low = torch.where(low >= high, high / self.growth, torch.where(failed, eps, low))
        between = torch.where(low > 0, (low * high).sqrt(), high / self.growth)
        search, fine = self._search(batch, failed & high.isinf())
        following_eps = torch.where(high.isinf(), search, between)
        batch.done = over & ((high <= (1 + self.tolerance) * low) | fine)
        batch.state |= {"eps": torch.where(over, torch.minimum(following_eps, _largest(batch, self.norm)), eps)}
        batch.state |= {"high": high}
        batch.state |= {"low": low, "round": state["round"] + over, "pending": pending, "spent": exhausted & ~over}
        batch.state["age"] = torch.where(over, torch.zeros_like(age), age)
        return self._begin(batch, following, over)

    def _first(self, batch: Batch) -> Tensor:
        """The first budget of each image, (B,)."""
        count = batch.images[0].numel()
        unit = {"inf": 1.0, "2": math.sqrt(count), "1": float(count)}[str(self.norm)]
        return _largest(batch, self.norm).clamp(max=self.initial * unit)

    def _search(self, batch: Batch, failed: Tensor) -> tuple[Tensor, Tensor]:
        """The next budget (B,) of images without a success, and whether it is not worth while, (B,) bool.

        `failed` (B,): the current budget has failed. Where that was the last one of a grid, a finer grid begins.
        """
        eps, grid = batch.state["eps"], batch.state["grid"].double()
        larger = eps * self.growth**2 ** (1 - grid.clamp(min=1))
        largest = _largest(batch, self.norm)
        through = failed & torch.where(grid == 0, eps >= largest, larger > largest)
        first = self._first(batch) * self.growth ** (2 ** -(grid + 1) - grid)
        batch.state["grid"] = batch.state["grid"] + through
        fine = through & (self.growth**2**-grid <= 1 + self.tolerance)
        return torch.where(through, first, larger).to(eps.dtype), fine

    def _begin(self, batch: Batch, following: Tensor, over: Tensor) -> Tensor:
        fresh = self._inner(batch)
        fresh.state = {}
        points = self.rule.start(fresh)
        for name, value in fresh.state.items():
            batch.state[_INNER + name] = torch.where(unsqueeze_like(over, value), value, batch.state[_INNER + name])
        return torch.where(unsqueeze_like(over, points), points, following)


def _largest(batch: Batch, norm: Literal[1, 2, "inf"]) -> Tensor:
    """The norm of the largest perturbation within [0, 1], (B,)."""
    return norms(torch.maximum(batch.images, 1 - batch.images), norm)
