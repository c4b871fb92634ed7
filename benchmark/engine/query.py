"""The passes that a rule asks for."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.profiler import record_function

from benchmark import metrics
from benchmark.attacks.base import Batch, Loss
from benchmark.distributed.termination import check_stop
from benchmark.engine.model import AttackedModel
from benchmark.model_errors import as_model_error

PASSES = "attack: passes"
"""The name of a rule's passes in a profile."""


class EngineQuery:
    """The engine's `Query`: makes the passes a rule asks for and keeps what the engine needs of them.

    Args:
        network: the attacked model.
        batch: the images; points not given are its iterates.
        judge: logits (B, K, h, w) -> whether the judge holds, (B,) bool.

    Attributes:
        forwards, backwards: passes made.
        logits: (B, K, h, w) of the current iterates; None: the rule has not asked for them.
        loss: (B,) of the last gradient; None: there was none.
        finite: (B,) bool, whether every gradient was finite.
        zero: (B,) how many gradients were exactly zero.
    """

    def __init__(self, network: AttackedModel, batch: Batch, judge: Callable[[Tensor], Tensor]) -> None:
        self._network, self.judge = network, judge
        self._iterates = batch.iterates
        self.forwards = self.backwards = 0
        self.logits: Tensor | None = None
        self.loss: Tensor | None = None
        self.finite = torch.ones_like(batch.steps, dtype=torch.bool)
        self.zero = torch.zeros_like(batch.steps)

    def forward(self, points: Tensor | None = None) -> Tensor:
        check_stop()
        with torch.no_grad(), record_function(PASSES), self._network.stepping():
            logits = self._network(self._iterates if points is None else points)
        self.forwards += 1
        if points is None:
            self.logits = logits
        return logits

    def gradient(self, loss: Loss, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_stop()
        leaf = (self._iterates if points is None else points).detach().requires_grad_()
        with record_function(PASSES), self._network.stepping():
            logits = self._network(leaf)
            losses = loss(logits, leaf)
            if losses.shape != (len(leaf),):
                raise ValueError(
                    f"a loss has shape {tuple(losses.shape)} for {len(leaf)} images; give one loss per image"
                )
            with as_model_error(self._network.model, leaf, act="fails in its backward pass"):
                (gradient,) = torch.autograd.grad(losses.sum(), leaf)
        gradient, logits = gradient.contiguous(), logits.detach()
        if self._network.overwrites:
            gradient = gradient.clone()
        self.forwards += 1
        self.backwards += 1
        self.loss = losses.detach()
        size = metrics.linf(gradient)
        self.finite = self.finite & size.isfinite()
        self.zero = self.zero + (size == 0)
        if points is None:
            self.logits = logits
        return logits, gradient
