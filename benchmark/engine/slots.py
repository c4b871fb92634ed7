"""The device's side of the images being attacked: what the engine keeps for each, as tensors with one entry per image.

Nothing here waits for the device. The fields are written in this file only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, unsqueeze_like
from benchmark.engine.limits import Limits
from benchmark.engine.query import EngineQuery
from benchmark.engine.tensor_tree import map_tensors

NO_SUCCESS, SUCCESS, SUCCESS8 = 0, 1, 2
"""How far an iterate's success is confirmed: not at all, in float, also on the image rounded to its file's bits."""

Order = Callable[[Tensor, Tensor], Tensor]
"""Whether each score (B,) is strictly closer to success than the other (B,)."""


@dataclass(kw_only=True)
class Slots:
    """Per-image state of the images in the slots; every tensor has B entries.

    Attributes:
        batch: what the rule sees.
        truth: (B, h, w), the reference for judges against the truth.
        best, best_score, best_norm, kept_step, confirmation: the iterate kept so far, its judged score, its norm, the
            updates that led to it, and how far its success is confirmed.
        candidate, candidate_score, candidate_norm, candidate_step: the smallest iterate that a step's own pass judged a
            success since the host last confirmed one; its norm is infinite while there is none.
        pending: whether the candidate must be confirmed before the image goes on.
        waiting: takes no step until the host has looked.
        ended: takes no further step: a limit is reached, the rule is done with it, or something was not finite.
        started: the first iterate is the job's start, not the rule's.
        at_floor: the image ended at its start, which cannot be improved.
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
    candidate: Tensor
    candidate_score: Tensor
    candidate_norm: Tensor
    candidate_step: Tensor
    pending: Tensor
    waiting: Tensor
    ended: Tensor
    started: Tensor
    at_floor: Tensor
    nonfinite: Tensor
    zero_gradients: Tensor
    forwards: Tensor
    backwards: Tensor
    success_passes: Tensor

    @classmethod
    def fresh(cls, batch: Batch, truth: Tensor, started: Tensor) -> Self:
        """Images not yet attacked, after one forward pass of the clean image, which is the best so far."""
        zeros = torch.zeros_like(batch.steps)
        no = torch.zeros_like(zeros, dtype=torch.bool)
        size = torch.zeros(len(zeros), dtype=batch.images.dtype, device=zeros.device)
        score = torch.zeros(len(zeros), dtype=torch.float64, device=zeros.device)
        return cls(
            batch=batch,
            truth=truth,
            best=batch.images,
            best_score=score,
            best_norm=size,
            kept_step=zeros,
            confirmation=zeros,
            candidate=batch.images,
            candidate_score=score,
            candidate_norm=torch.full_like(size, torch.inf),
            candidate_step=zeros,
            pending=no,
            waiting=no,
            ended=no,
            started=started,
            at_floor=no,
            nonfinite=no,
            zero_gradients=zeros,
            forwards=zeros + 1,
            backwards=zeros,
            success_passes=zeros - 1,
        )

    def __len__(self) -> int:
        return len(self.truth)

    def pick(self, index: Tensor | slice) -> "Slots":
        """The images at an index."""
        return map_tensors(lambda tensor: tensor[index], self)

    def join(self, other: "Slots") -> "Slots":
        """Both together."""
        return map_tensors(lambda *tensors: torch.cat(tensors), self, other)

    def to(self, device: torch.device) -> "Slots":
        return map_tensors(lambda tensor: tensor.to(device), self)

    def judge_clean(self, score: Tensor, success: Tensor, limits: Limits, cost: int) -> None:
        """Record the clean images' scores (B,) and successes (B,) bool; end those that may take no step of `cost`."""
        self.best_score = score
        self.ended = limits.reached(self.batch.steps, self.forwards, self.pending, cost)
        self.waiting = self.ended
        self.record_success(success)

    def take_start(self, index: Tensor, score: Tensor, size: Tensor) -> None:
        """Let the first iterates of the images at `index` (n,) be the best so far, with their score and norm (n,)."""
        rows = (index,)
        self.best = self.best.index_put(rows, self.batch.iterates[index])
        self.best_score = self.best_score.index_put(rows, score)
        self.best_norm = self.best_norm.index_put(rows, size)

    def end_at_start(self, images: Tensor, limits: Limits, cost: int, onwards: Tensor) -> None:
        """End the `images` (B,) bool and those without room for a step of `cost`; others go on from `onwards`."""
        self.at_floor, batch = images, self.batch
        out = limits.reached(batch.steps, self.forwards + self.backwards, self.pending, cost)
        self.ended = self.waiting = self.ended | images | out
        batch.iterates = torch.where(unsqueeze_like(self.started & ~self.ended, onwards), onwards, batch.iterates)

    def confirm_clean(self, images: Tensor) -> None:
        """Keep the clean image of the `images` (B,) bool as a success; there is no change that rounding could undo."""
        self.confirmation = torch.where(images, SUCCESS8, self.confirmation)

    def begin_step(self) -> "Slots":
        """A copy for one step. These slots stay as they are, in case memory does not suffice for a whole step."""
        batch = replace(
            self.batch,
            state=dict(self.batch.state),
            report={},
            best_norm=torch.where(self.confirmation == SUCCESS8, self.best_norm, float("inf")),
            done=torch.zeros_like(self.waiting),
        )
        return replace(self, batch=batch)

    def record_judgement(
        self, *, awake: Tensor, success: Tensor, score: Tensor, size: Tensor, closer: Order, gain: float | None
    ) -> None:
        """Record how the current iterates of the images `awake` were judged; all (B,).

        The smallest success becomes the candidate. Its image waits for the host to confirm it if no success has been
        confirmed or the candidate's norm is below `gain` times the best. An iterate that is no success counts only
        while there is no success. With `gain` None a success is worth no more than its score: the better score wins.

        Args:
            awake, success: bool.
            score, size: the judged score, and the norm of the perturbation.
            closer: the judge's order, whether one score is strictly better than another.
            gain: in (0, 1], or None.
        """
        steps, confirms, first = self.batch.steps, gain is not None, self.confirmation < SUCCESS8
        smaller = awake & success & confirms & (first | (size < torch.minimum(self.best_norm, self.candidate_norm)))
        self.candidate = torch.where(unsqueeze_like(smaller, self.candidate), self.batch.iterates, self.candidate)
        self.candidate_score = torch.where(smaller, score, self.candidate_score)
        self.candidate_norm = torch.where(smaller, size, self.candidate_norm)
        self.candidate_step = torch.where(smaller, steps, self.candidate_step)
        self.pending = self.pending | (smaller & (first | (size < (gain or 1) * self.best_norm)))
        nearer = _nearer(score, steps, self.best_score, self.kept_step, closer)
        improved = awake & ~(success & confirms) & (self.confirmation == NO_SUCCESS) & nearer
        self.best = torch.where(unsqueeze_like(improved, self.best), self.batch.iterates, self.best)
        self.best_score = torch.where(improved, score, self.best_score)
        self.best_norm = torch.where(improved, size, self.best_norm)
        self.kept_step = torch.where(improved, steps, self.kept_step)

    def advance(
        self, awake: Tensor, following: Tensor, before: dict[str, Tensor], query: EngineQuery, limits: Limits
    ) -> None:
        """Count the step's passes and move the images `awake` (B,) to their next iterates.

        The candidate is kept apart, so its image takes the update it has paid for before it waits.
        """
        batch = self.batch
        self.forwards = self.forwards + query.forwards * awake
        self.backwards = self.backwards + query.backwards * awake
        self.zero_gradients = self.zero_gradients + query.zero * awake
        finite = query.finite & metrics.is_finite(following)
        self.nonfinite = self.nonfinite | (awake & ~finite)
        move = awake & finite
        batch.iterates = torch.where(unsqueeze_like(move, following), following, batch.iterates)
        batch.state = {
            name: torch.where(unsqueeze_like(move, new), new, before[name]) for name, new in batch.state.items()
        }
        batch.steps = batch.steps + move
        spent, cost = self.forwards + self.backwards, query.forwards + query.backwards
        reached = limits.reached(batch.steps, spent, self.pending, cost)
        self.ended = self.ended | self.nonfinite | (awake & (batch.done | reached))
        self.waiting = self.waiting | self.pending | self.ended

    def count_forward(self, index: Tensor) -> None:
        """One more forward pass of the images at `index` (n,)."""
        self.forwards = self.forwards.index_add(0, index, torch.ones_like(index))

    def record_success(self, images: Tensor) -> None:
        """Record the passes that the first success of the `images` (B,) bool took."""
        first = images & (self.success_passes < 0)
        self.success_passes = torch.where(first, self.forwards + self.backwards, self.success_passes)

    def resume(self, considered: Tensor, ended: Tensor) -> None:
        """Forget the candidates that were `considered`, and let images go on unless they have `ended`; (B,) bool."""
        self.candidate_norm = self.candidate_norm.masked_fill(considered, torch.inf)
        self.pending = torch.zeros_like(ended)
        self.waiting = ended

    def keep(
        self,
        index: Tensor,
        points: Tensor,
        *,
        steps: Tensor,
        score: Tensor,
        confirmation: Tensor,
        size: Tensor,
        closer: Order,
    ) -> None:
        """Keep points (n, C, H, W) of the images at `index` (n,) where they are worth more than what was kept.

        A higher confirmation wins, then the smaller norm, and while there is no success the better score.
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
