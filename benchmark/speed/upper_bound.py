"""The bare limit: forward passes and input gradients and nothing else."""

import copy

import torch
from torch import Tensor, nn

from benchmark.distributed.termination import check_stop
from benchmark.engine.precision import AUTOCAST, Precision


class Limit:
    """A model that is only differentiated: parameters without gradients, nothing judged, kept, counted or written.

    It has the engine's batch, layout and precision, but not its `AcceleratedModel`, so that the gain of that shows.

    Args:
        model: images (B, C, H, W) in [0, 1] -> logits (B, K, h, w).
        points: (B, C, H, W) in [0, 1], the batch.
        labels: (B, h, w) int64, whose logits are summed up.
        precision: 32, "bf16" or 16.
        channels_last: the layout of weights and images.
    """

    def __init__(
        self, model: nn.Module, points: Tensor, labels: Tensor, precision: Precision, channels_last: bool = True
    ) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self._model = copy.deepcopy(model).eval().requires_grad_(False).to(memory_format=layout)
        self._points, self._labels = points.contiguous(memory_format=layout), labels.unsqueeze(1)
        self._low = AUTOCAST.get(precision)

    def gradient(self) -> Tensor:
        """Of the sum of the labels' logits, (B, C, H, W); of a sigmoid head's one logit where that is class 1."""
        leaf = self._points.detach().requires_grad_()
        with torch.autocast(leaf.device.type, self._low or torch.bfloat16, enabled=self._low is not None):
            logits = self._model(leaf)
        chosen = logits.gather(1, self._labels) if logits.shape[1] > 1 else logits * self._labels
        return torch.autograd.grad(chosen.float().sum(), leaf)[0]

    def run(self, steps: int) -> int:
        """Make so many steps; returns image-steps."""
        for _ in range(steps):
            check_stop()
            self.gradient()
        return steps * len(self._points)
