"""How images enter the slots: they are sent to the device, judged clean, and start at the rule's first iterate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Rule, check_points, image_seed
from benchmark.attacks.losses import valid_mean
from benchmark.attacks.projection import project
from benchmark.criterion import Criterion
from benchmark.engine.jobs import InFlight, Job
from benchmark.engine.keep_and_stop import IterateSelector
from benchmark.engine.limits import Limits
from benchmark.engine.model import AttackedModel
from benchmark.engine.slots import Slots
from benchmark.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Makes fresh slots of queued images, for one rule on one model. `Engine` describes the fields."""

    network: AttackedModel
    rule: Rule
    judge: Criterion
    selector: IterateSelector
    limits: Limits
    background: int | None
    class_pixels: tuple[float, ...] | None
    seed: int
    name: str

    def check(self, job: Job) -> None:
        """Raise InputError if the rule cannot attack the image, or the judge cannot judge it."""
        job.check()
        if self.rule.targeted and self.judge.reference == "truth" and job.truth is None:
            raise InputError(f"image {job.id}: the judge '{self.judge}' needs the truth too; give truth")
        if job.eps is not None and self.rule.eps is None:
            raise InputError(f"image {job.id}: eps={job.eps:g}, but {type(self.rule).__name__} has no budget")
        if job.start is not None and not self.rule.may_start_anywhere:
            name = type(self.rule).__name__
            raise InputError(f"image {job.id}: {name} starts at a first iterate of its own; give no start")

    def __call__(self, jobs: Sequence[Job], present: Sequence[Job]) -> tuple[Slots, list[InFlight]]:
        """Put images onto the device and judge them clean, one forward pass for all of them.

        Raises InputError if one cannot be attacked, or not together with those `present` in the slots.
        """
        shapes = {tuple(job.image.shape) for job in [*jobs, *present]}
        if len(shapes) > 1:
            raise InputError(f"images of different shapes in one attack: {sorted(shapes)}; resize them to one size")
        # While these are on their way the device may go on with what it is doing.
        images = self._send([job.image for job in jobs]).to(self.network.dtype)
        valid = self._send([torch.ones_like(j.labels, dtype=torch.bool) if j.valid is None else j.valid for j in jobs])
        labels, truth = (
            self._send(maps).to(torch.int64).masked_fill(~valid, 0)
            for maps in ([job.labels for job in jobs], [j.labels if j.truth is None else j.truth for j in jobs])
        )
        logits = self.selector.predict(images)
        for job, scores in zip(jobs, logits, strict=True):
            job.check_against(scores)
        started = torch.tensor([job.start is not None for job in jobs], device=images.device)
        slots = Slots.fresh(self._start(jobs, images, labels, valid, logits), truth, started)
        preds = self.network.classes(logits)
        score = self.selector.score(slots, logits, preds=preds)
        success = self.judge.holds(score)
        slots.judge_clean(score, success, self.limits, self.rule.passes_per_step)
        return slots, [
            InFlight(job, clean_preds, success_clean)
            for job, clean_preds, success_clean in zip(jobs, preds.cpu(), success.tolist(), strict=True)
        ]

    def _start(self, jobs: Sequence[Job], images: Tensor, labels: Tensor, valid: Tensor, logits: Tensor) -> Batch:
        """What the rule sees of the images, at its first iterates."""
        seeds = torch.tensor([image_seed(self.seed, self.name, job.id) for job in jobs], device=images.device)
        rule_eps = float("inf") if self.rule.eps is None else self.rule.eps
        eps = torch.tensor([rule_eps if job.eps is None else job.eps for job in jobs], dtype=torch.float64).to(images)
        steps = torch.zeros_like(seeds)
        largest = logits.topk(2, dim=1).values
        batch = Batch(
            images=images,
            iterates=images,
            labels=labels,
            valid=valid,
            steps=steps,
            max_steps=self.limits.planned(self.rule.passes_per_step),
            seeds=seeds,
            classes=logits.shape[1],
            background=self.background,
            clean_lead=valid_mean(largest[:, 0] - largest[:, 1], valid),
            eps=eps,
            best_norm=torch.full_like(eps, float("inf")),
            done=steps.bool(),
            class_pixels=self.class_pixels,
        )
        batch.iterates = self.rule.start(batch)
        batch.report = {}
        check_points(self.rule, batch.iterates, images)
        batch.iterates = self._warm(jobs, batch)
        return batch

    def _warm(self, jobs: Sequence[Job], batch: Batch) -> Tensor:
        """The first iterates, with the jobs' starts, projected onto their budgets, in place of the rule's own."""
        given = [place for place, job in enumerate(jobs) if job.start is not None]
        if not given:
            return batch.iterates
        index = torch.tensor(given, device=batch.images.device)
        points = self._send([job.start for job in jobs if job.start is not None]).to(batch.images)
        if self.rule.eps is not None:
            points = project(points, batch.images[index], batch.eps[index], self.rule.norm)
        return batch.iterates.index_put((index,), points)

    def _send(self, tensors: Sequence[Tensor]) -> Tensor:
        """All of them on the device, stacked; the host does not wait for it."""
        stacked, device = torch.stack(list(tensors)), self.network.device
        return stacked.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else stacked.to(device)
