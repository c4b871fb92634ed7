"""Networks that are wrong in one way each, as factories of victim=python."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class WrongThreshold(nn.Module):
    """Foreground where the mean grey is low, as lesions are; `start` changes the images, `end` the logits."""

    def __init__(self, start: Callable[[Tensor], Tensor] | None = None, end: Callable[[Tensor], Tensor] | None = None):
        super().__init__()
        self.start, self.end, self.scale = (
            start or nn.Identity(),
            end or nn.Identity(),
            nn.Parameter(torch.tensor(20.0)),
        )

    def forward(self, images: Tensor) -> Tensor:
        z = self.scale * (0.55 - self.start(images).mean(1, keepdim=True))
        return self.end(torch.cat([-z, z], 1))


def honest() -> nn.Module:
    return WrongThreshold()


def probabilities() -> nn.Module:
    return WrongThreshold(end=lambda z: z.softmax(1))


def depends_on_batch() -> nn.Module:
    return WrongThreshold(start=lambda x: x - x.mean((0, 2, 3), keepdim=True) + 0.65)


def detached() -> nn.Module:
    return WrongThreshold(start=Tensor.detach)


def saturated() -> nn.Module:
    """Only doubtful: most logits are one of two numbers."""
    return WrongThreshold(end=lambda z: (10 * z).clamp(-1, 1))


def fails() -> nn.Module:
    def one_at_a_time(images: Tensor) -> Tensor:
        if len(images) > 1:
            raise RuntimeError("one image at a time")
        return images

    return WrongThreshold(start=one_at_a_time)


class CountsPasses(nn.Module):
    """Only doubtful: a buffer counts the passes, another one holds the last images' mean."""

    def __init__(self) -> None:
        super().__init__()
        self.network = WrongThreshold()
        self.register_buffer("passes", torch.zeros(()))
        self.register_buffer("mean", None)

    def forward(self, images: Tensor) -> Tensor:
        self.passes.add_(1)
        self.mean = images.mean().detach()
        return self.network(images)


def counts_passes() -> nn.Module:
    return CountsPasses()
