"""Random patches, after the Square Attack (Andriushchenko et al., ECCV 2020, arXiv 1912.00049): no gradient."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.attacks.losses import margin, valid_mean
from benchmark.attacks.projection import project
from benchmark.attacks.random_draws import uniform


@dataclass(frozen=True)
class Patches(Rule):
    """Each candidate is the best point so far with one random square of it set to one end of the Linf budget."""

    eps: float = 8 / 255
    targeted: bool = True
    share: float = 0.8
    norm = "inf"
    passes_per_step = 1

    def start(self, batch: Batch) -> Tensor:
        batch.state |= {"kept": batch.images, "loss": torch.full_like(batch.eps, float("inf"))}
        channels, _, width = batch.images.shape[1:]
        return self._at_the_edge(batch, uniform(batch.seeds, (channels, 1, width), dtype=batch.images.dtype))

    def step(self, batch: Batch, query: Query) -> Tensor:
        lead = valid_mean(margin(query.forward(), batch.labels), batch.valid)
        loss = -lead if self.targeted else lead
        better = loss < batch.state["loss"]
        kept = torch.where(better.view(-1, 1, 1, 1), batch.iterates, batch.state["kept"])
        batch.state |= {"kept": kept, "loss": torch.where(better, loss, batch.state["loss"])}
        batch.report["patches_loss"] = batch.state["loss"]
        drawn = uniform(batch.seeds, (2 + kept.shape[1],), stream=1 + batch.steps, dtype=kept.dtype)
        candidate = self._at_the_edge(batch, drawn[:, 2:, None, None])
        return torch.where(self._square(batch, drawn[:, 0], drawn[:, 1]), candidate, kept)

    def _at_the_edge(self, batch: Batch, drawn: Tensor) -> Tensor:
        sign = torch.where(drawn < 0.5, -1, 1).to(batch.images)
        return project(batch.images + sign * batch.eps.view(-1, 1, 1, 1), batch.images, batch.eps, "inf")

    def _square(self, batch: Batch, down: Tensor, across: Tensor) -> Tensor:
        height, width = batch.images.shape[2:]
        share = self.share * (1 - batch.steps / max(batch.max_steps, 1))
        side = (share * height * width).sqrt().round().clamp(1, min(height, width))
        inside = []
        for place, length in ((down, height), (across, width)):
            first = (place * (length - side + 1)).floor().unsqueeze(1)
            pixel = torch.arange(length, device=first.device)
            inside.append((pixel >= first) & (pixel < first + side.unsqueeze(1)))
        return (inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).unsqueeze(1)
