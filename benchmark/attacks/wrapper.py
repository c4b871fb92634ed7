"""A rule that runs another rule and changes what that one is told by the model."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule

_FACTS = ("norm", "targeted", "passes_per_step", "gradients_per_step", "most_steps", "ends_images")


@dataclass(frozen=True)
class Wrapper(Rule):
    """Another rule, which asks the model through `told` and otherwise does what it does alone.

    Args:
        rule: the other rule.
        eps: budget in its norm; None: its own. Raises ValueError if it has none.
    """

    rule: Rule
    eps: float | None = None

    def __post_init__(self) -> None:
        if self.eps is not None and self.rule.eps is None:
            raise ValueError(f"{type(self).__name__}: eps={self.eps}, but {type(self.rule).__name__} has no budget")
        self.declare(
            **{name: getattr(self.rule, name) for name in (*_FACTS, "wants_class_pixels", "may_start_anywhere")}
        )
        self.declare(eps=self.rule.eps if self.eps is None else self.eps)
        super().__post_init__()
        self.check_range("[0, inf]", "eps")

    def start(self, batch: Batch) -> Tensor:
        return self.rule.start(batch)

    def warm(self) -> Self:
        return replace(self, rule=self.rule.warm())

    def step(self, batch: Batch, query: Query) -> Tensor:
        return self.rule.step(batch, self.told(batch, query))

    @abstractmethod
    def told(self, batch: Batch, query: Query) -> Query:
        """What the other rule asks in place of the engine's `query`."""
