"""The smallest budget at which a budgeted attack succeeds, image by image."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, norms, unsqueeze_like

_INNER = "rule."


@dataclass(frozen=True)
class Bisection(Rule):
    """Runs a budgeted rule in rounds, each with its own budget, until it is known how small a budget suffices.

    A round starts anew and takes `steps` updates. While none has succeeded the budget is multiplied by `growth`; a
    confirmed success ends its round at once, and its norm is the new upper end `high`; a round without success makes
    its budget the lower end `low`. The next budget is the geometric mean √(low · high), or high / growth as long as no
    round has failed. An image is done when high ≤ (1 + tolerance) · low, or when it failed with all of [0, 1] allowed.
    Every pass of every round is counted. Run it with stop=False, the first success is only the beginning, and with
    keep="best": by scores alone nothing is confirmed.

    Args:
        rule: any rule that keeps to `batch.eps`; its own eps is not used.
        steps: updates in a round, the inner rule's N.
        initial: first budget, for the norms 1 and 2 per value: multiplied by n or √n, n values to an image.
        growth: factor of the search for the first success.
        tolerance: how close the ends have to come.
    """

    ends_images = "any time"

    rule: Rule
    steps: int = 20
    initial: float = 4 / 255
    growth: float = 4.0
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("[1, inf)", "steps")
        self.check_range("(0, inf]", "initial", "tolerance")
        self.check_range("(1, inf]", "growth")
        if self.rule.eps is None:
            raise ValueError(f"Bisection: {type(self.rule).__name__} has no budget to search")
        known = ("norm", "targeted", "passes_per_step", "gradients_per_step", "wants_class_pixels")
        self.declare(**{name: getattr(self.rule, name) for name in known})

    def start(self, batch: Batch) -> Tensor:
        count = batch.images[0].numel()
        unit = {"inf": 1.0, "2": math.sqrt(count), "1": float(count)}[str(self.norm)]
        size = torch.full_like(batch.eps, self.initial * unit)
        none, no = torch.zeros_like(batch.steps), torch.zeros_like(batch.done)
        batch.state |= {"eps": size, "low": torch.zeros_like(size), "high": torch.full_like(size, math.inf)}
        batch.state |= {"age": none, "round": none, "spent": no, "pending": no}
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
        search = torch.where(high.isinf(), eps * self.growth, high / self.growth)
        between = torch.where((low > 0) & high.isfinite(), (low * high).sqrt(), search)
        largest = norms(torch.maximum(batch.images, 1 - batch.images), self.norm)
        batch.done = over & ((high <= (1 + self.tolerance) * low) | (low >= largest))
        batch.state |= {"eps": torch.where(over, torch.minimum(between, largest), eps), "high": high}
        batch.state |= {"low": low, "round": state["round"] + over, "pending": pending, "spent": exhausted & ~over}
        batch.state["age"] = torch.where(over, torch.zeros_like(age), age)
        return self._begin(batch, following, over)

    def _begin(self, batch: Batch, following: Tensor, over: Tensor) -> Tensor:
        fresh = self._inner(batch)
        fresh.state = {}
        points = self.rule.start(fresh)
        for name, value in fresh.state.items():
            batch.state[_INNER + name] = torch.where(unsqueeze_like(over, value), value, batch.state[_INNER + name])
        return torch.where(unsqueeze_like(over, points), points, following)
