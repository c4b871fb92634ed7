"""A rule whose steps and passes are recorded while another one does the work."""

from typing import Any

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Loss, Query, Rule


class Watched(Rule):
    """Another rule, with what it does remembered, and with another class at the pixels that do not count.

    Args:
        rule: what is watched.
        void: added to the labels at pixels that do not count, modulo the classes.

    Attributes:
        iterates: (B, C, H, W) each, as they were when a step began.
        costs: (forward passes, backward passes) of each step, the engine's own look at the iterates included.
    """

    def __init__(self, rule: Rule, void: int = 0) -> None:
        self.rule, self.void = rule, void
        for name in ("norm", "targeted", "eps", "passes_per_step", "wants_class_pixels"):
            setattr(self, name, getattr(rule, name))
        self.iterates: list[Tensor] = []
        self.costs: list[tuple[int, int]] = []

    def start(self, batch: Batch) -> Tensor:
        return self._disturbed(batch, lambda: self.rule.start(batch))

    def step(self, batch: Batch, query: Query) -> Tensor:
        self.iterates.append(batch.iterates)
        counted = Counted(query)
        before = dict(batch.state)
        copies = {name: value.clone() for name, value in before.items()}
        following = self._disturbed(batch, lambda: self.rule.step(batch, counted))
        self.costs.append((counted.forwards + (not counted.looked), counted.backwards))
        assert batch.state.keys() == before.keys(), "state is made in start"
        assert all(torch.equal(before[name], copies[name]) for name in before), "state is replaced, not written into"
        return following

    def _disturbed(self, batch: Batch, call: Any) -> Tensor:
        labels = batch.labels
        batch.labels = torch.where(batch.valid, labels, (labels + self.void) % batch.classes)
        following = call()
        batch.labels = labels
        return following


class Counted:
    """Passes questions on and counts them; `looked` says whether one was about the iterates."""

    def __init__(self, query: Query) -> None:
        self._query, self.judge = query, query.judge
        self.forwards = self.backwards = 0
        self.looked = False

    @property
    def logits(self) -> Tensor | None:
        return self._query.logits

    def forward(self, points: Tensor | None = None) -> Tensor:
        self.forwards += 1
        self.looked |= points is None
        return self._query.forward(points)

    def gradient(self, loss: Loss, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self.forwards += 1
        self.backwards += 1
        self.looked |= points is None
        return self._query.gradient(loss, points)
