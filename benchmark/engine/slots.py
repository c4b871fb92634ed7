"""The device's side of the images being attacked: what the engine keeps for each, as tensors with one entry per image.

Nothing here waits for the device.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, norms
from benchmark.engine.limits import Limits
from benchmark.engine.model import is_finite
from benchmark.engine.query import EngineQuery

NO_SUCCESS, SUCCESS, SUCCESS8 = 0, 1, 2
"""What the kept iterate is worth: nothing yet, the judge holds in float, it also holds on the 8-bit picture."""

Order = Callable[[Tensor, Tensor], Tensor]
"""Whether each score (B,) is strictly closer to success than the other (B,)."""

T = TypeVar("T")


@dataclass
class Slots:
    """Per-image state of the images in the slots; every tensor has B entries.

    Attributes:
        batch: what the rule sees.
        truth: (B, h, w), the reference for judges against the truth.
        best, best_score, best_norm, kept_step, tier: the iterate kept so far, its judged score, norm, step and worth.
        found, found_score, found_norm, found_step: the smallest iterate that succeeded in a step's own pass since the
            host has last confirmed one; its norm is infinite while there is none.
        candidate: whether it is worth to be confirmed at once.
        waiting: stands still until the host has looked.
        ended: takes no further step: its limits are reached, the rule is done with it, or something was not finite.
        nonfinite: logits, a gradient or an iterate were not finite.
        zero_gradients, forwards, backwards: counts.
        success_passes: passes spent when the first success was seen; -1: none yet.
    """

    batch: Batch
    truth: Tensor
    best: Tensor
    best_score: Tensor
    best_norm: Tensor
    kept_step: Tensor
    confirmation: Tensor
    found: Tensor
    candidate_score: Tensor
    candidate_norm: Tensor
    candidate_step: Tensor
    candidate: Tensor
    waiting: Tensor
    ended: Tensor
    nonfinite: Tensor
    zero_gradients: Tensor
    forwards: Tensor
    backwards: Tensor
    success_passes: Tensor

    @classmethod
    def fresh(cls, batch: Batch, truth: Tensor) -> "Slots":
        """Images not yet attacked, judged clean by one forward pass: the clean image is the best so far."""
        zeros = torch.zeros_like(batch.steps)
        no = torch.zeros_like(zeros, dtype=torch.bool)
        size = torch.zeros(len(zeros), dtype=batch.images.dtype, device=zeros.device)
        score = torch.zeros(len(zeros), dtype=torch.float64, device=zeros.device)
        best = (batch.images, score, size, zeros, zeros)
        found = (batch.images, score, torch.full_like(size, torch.inf), zeros, no)
        return cls(batch, truth, *best, *found, no, no, no, zeros, zeros + 1, zeros, zeros - 1)

    def __len__(self) -> int:
        return len(self.truth)

    def pick(self, index: Tensor | slice) -> "Slots":
        """The images at an index."""
        return map_tensors(lambda tensor: tensor[index], self)

    def join(self, other: "Slots") -> "Slots":
        """Both together."""
        return map_tensors(lambda *tensors: torch.cat(tensors), self, other)

    def copy(self) -> "Slots":
        """The same images, whose entries can be replaced without touching these."""
        return replace(self, batch=replace(self.batch, state=dict(self.batch.state), report={}))

    def to(self, device: torch.device) -> "Slots":
        return map_tensors(lambda tensor: tensor.to(device), self)

    def measure(self, preds: Tensor, loss: Tensor | None) -> dict[str, Tensor]:
        """Telemetry of the current iterates, each (B,) float64."""
        batch = self.batch
        counts = metrics.confusion(preds, batch.labels, batch.valid, batch.classes)
        delta = batch.iterates - batch.images
        measured = {
            "step": batch.steps,
            "iou": metrics.iou(counts, batch.background),
            "pixel_acc": metrics.pixel_accuracy(counts),
            "l2": norms(delta, 2),
            "linf": norms(delta, "inf"),
            **({} if loss is None else {"loss": loss}),
            **batch.report,
        }
        return {name: value.double() for name, value in measured.items()}

    def judged(
        self, awake: Tensor, success: Tensor, score: Tensor, size: Tensor, closer: Order, gain: float | None
    ) -> None:
        """Take note of how the current iterates of the images `awake` were judged; all (B,).

        The smallest success is remembered, and becomes a candidate, whose image waits for the host to confirm it, if
        none has been confirmed or its norm is below `gain` times the best; anything else counts only while there is no
        success. Where a success is worth no more than its score (`gain` None), the better score is all that counts.

        Args:
            awake, success: bool.
            score, size: the judged score, and the norm of the perturbation.
            closer: the judge's order, whether one score is strictly better than another.
            gain: in (0, 1], or None.
        """
        steps, confirms, first = self.batch.steps, gain is not None, self.confirmation < SUCCESS8
        found = awake & success & confirms & (first | (size < torch.minimum(self.best_norm, self.candidate_norm)))
        self.found = torch.where(_wide(found, self.found), self.batch.iterates, self.found)
        self.candidate_score = torch.where(found, score, self.candidate_score)
        self.candidate_norm = torch.where(found, size, self.candidate_norm)
        self.candidate_step = torch.where(found, steps, self.candidate_step)
        self.candidate = self.candidate | (found & (first | (size < (gain or 1) * self.best_norm)))
        nearer = _nearer(score, steps, self.best_score, self.kept_step, closer)
        improved = awake & ~(success & confirms) & (self.confirmation == NO_SUCCESS) & nearer
        self.best = torch.where(_wide(improved, self.best), self.batch.iterates, self.best)
        self.best_score = torch.where(improved, score, self.best_score)
        self.best_norm = torch.where(improved, size, self.best_norm)
        self.kept_step = torch.where(improved, steps, self.kept_step)

    def advance(
        self, awake: Tensor, following: Tensor, before: dict[str, Tensor], asked: EngineQuery, limits: Limits
    ) -> None:
        """Count the step's passes and move the images `awake` (B,) to their next iterates.

        A candidate is saved in `found`, so its image takes the update it has paid for before it waits.
        """
        batch = self.batch
        self.forwards = self.forwards + asked.forwards * awake
        self.backwards = self.backwards + asked.backwards * awake
        self.zero_gradients = self.zero_gradients + asked.zero * awake
        finite = asked.finite & is_finite(following)
        self.nonfinite = self.nonfinite | (awake & ~finite)
        move = awake & finite
        batch.iterates = torch.where(_wide(move, following), following, batch.iterates)
        batch.state = {name: torch.where(_wide(move, new), new, before[name]) for name, new in batch.state.items()}
        batch.steps = batch.steps + move
        spent, cost = self.forwards + self.backwards, asked.forwards + asked.backwards
        reached = limits.reached(batch.steps, spent, self.candidate, cost)
        self.ended = self.ended | self.nonfinite | (awake & (batch.done | reached))
        self.waiting = self.waiting | self.candidate | self.ended

    def succeeded(self, images: Tensor) -> None:
        """Remember what the first success of the `images` (B,) bool took."""
        first = images & (self.success_passes < 0)
        self.success_passes = torch.where(first, self.forwards + self.backwards, self.success_passes)

    def promote(
        self,
        index: Tensor,
        points: Tensor,
        steps: Tensor,
        score: Tensor,
        confirmation: Tensor,
        size: Tensor,
        closer: Order,
    ) -> None:
        """Keep points (n, C, H, W) of the images at `index` (n,) where they are worth more than what was kept.

        A higher tier wins, then the smaller norm, and while there is no success the better score.
        """
        nearer = _nearer(score, steps, self.best_score[index], self.kept_step[index], closer)
        preferred = torch.where(confirmation == NO_SUCCESS, nearer, size < self.best_norm[index])
        better = (confirmation > self.confirmation[index]) | ((confirmation == self.confirmation[index]) & preferred)
        rows = (index[better],)
        self.best = self.best.index_put(rows, points[better])
        self.best_score = self.best_score.index_put(rows, score[better])
        self.best_norm = self.best_norm.index_put(rows, size[better])
        self.kept_step = self.kept_step.index_put(rows, steps[better])
        self.confirmation = self.confirmation.index_put(rows, confirmation[better])


def _nearer(score: Tensor, steps: Tensor, best: Tensor, kept_step: Tensor, closer: Order) -> Tensor:
    """Whether an iterate that is no success is worth more than the best so far, which is none either; all (B,).

    An updated iterate also replaces an equally good one without any update, so that a failed attack shows what it did.
    """
    first = (kept_step == 0) & (steps > 0) & ~closer(best, score)
    return closer(score, best) | first


def _wide(mask: Tensor, like: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (like.ndim - 1))


def map_tensors(function: Callable[..., Tensor], first: T, *rest: T) -> T:
    """Apply a function to each tensor in a dataclass of tensors, dicts of tensors and such dataclasses."""
    if isinstance(first, Tensor):
        return function(first, *rest)  # type: ignore[return-value]
    if isinstance(first, dict):
        return {name: map_tensors(function, value, *(other[name] for other in rest)) for name, value in first.items()}  # type: ignore[return-value, index]
    if is_dataclass(first):
        changes: dict[str, Any] = {
            part.name: map_tensors(function, getattr(first, part.name), *(getattr(other, part.name) for other in rest))
            for part in fields(first)
        }
        return replace(first, **changes)  # type: ignore[type-var]
    return first
