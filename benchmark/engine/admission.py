"""How images get into the slots: onto the device, judged clean, at the rule's first iterate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Rule, check_points, image_seed
from benchmark.criterion import Criterion
from benchmark.engine.jobs import InFlight, Job
from benchmark.engine.limits import Limits
from benchmark.engine.model import AttackedModel
from benchmark.engine.selection import IterateSelector
from benchmark.engine.slots import Slots
from benchmark.errors import InputError


@dataclass(frozen=True)
class Admission:
    """Makes fresh slots of queued images for one rule on one network; see `Engine` for what the fields are."""

    network: AttackedModel
    rule: Rule
    judge: Criterion
    selector: IterateSelector
    limits: Limits
    background: int | None
    class_pixels: tuple[float, ...] | None
    seed: int
    name: str

    def __call__(self, jobs: Sequence[Job], beside: Sequence[Job]) -> tuple[Slots, list[InFlight]]:
        """Put images onto the device and judge them clean, one forward pass for all of them.

        Raises InputError if one cannot be attacked, or not together with those that are there, `beside`.
        """
        shapes = {tuple(job.image.shape) for job in [*jobs, *beside]}
        if len(shapes) > 1:
            raise InputError(f"images of different shapes in one attack: {sorted(shapes)}; resize them to one size")
        # While these are on their way the device may go on with what it is doing.
        images = self._sent([job.image for job in jobs]).to(self.network.dtype)
        valid = self._sent([torch.ones_like(j.labels, dtype=torch.bool) if j.valid is None else j.valid for j in jobs])
        labels, truths = (
            self._sent(maps).to(torch.int64).masked_fill(~valid, 0)
            for maps in ([job.labels for job in jobs], [j.labels if j.truth is None else j.truth for j in jobs])
        )
        logits = self.selector.predict(images)
        for job, scores in zip(jobs, logits, strict=True):
            job.check_against(scores)
        slots = Slots.fresh(self._started(jobs, images, labels, valid, logits.shape[1]), truths)
        preds = self.network.classes(logits)
        slots.best_score = self.selector.score(slots, logits, preds=preds)
        cost = self.rule.passes_per_step
        slots.ended = self.limits.reached(slots.batch.steps, slots.forwards, slots.candidate, cost)
        slots.waiting = slots.ended
        satisfied = self.judge.holds(slots.best_score)
        slots.succeeded(satisfied)
        return slots, [InFlight(*parts) for parts in zip(jobs, preds.cpu(), satisfied.tolist(), strict=True)]

    def _started(self, jobs: Sequence[Job], images: Tensor, labels: Tensor, valid: Tensor, classes: int) -> Batch:
        """What the rule is to see of the images, at its first iterates."""
        seeds = torch.tensor([image_seed(self.seed, self.name, job.id) for job in jobs], device=images.device)
        own = float("inf") if self.rule.eps is None else self.rule.eps
        eps = torch.tensor([own if job.eps is None else job.eps for job in jobs], dtype=torch.float64).to(images)
        steps = torch.zeros_like(seeds)
        max_steps = self.limits.planned(self.rule.passes_per_step)
        batch = Batch(
            *(images, images, labels, valid, steps, max_steps, seeds, classes, self.background),
            *(eps, torch.full_like(eps, float("inf")), steps.bool(), self.class_pixels),
        )
        batch.iterates = self.rule.start(batch)
        batch.report = {}
        check_points(self.rule, batch.iterates, images)
        return batch

    def _sent(self, tensors: Sequence[Tensor]) -> Tensor:
        """All of them on the device, as one; the host does not wait for it."""
        stacked, device = torch.stack(list(tensors)), self.network.device
        return stacked.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else stacked.to(device)
