"""Auto-PGD (Croce and Hein, ICML 2020, arXiv 2003.01690) and the attacks SEA makes of it (arXiv 2306.12941)."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.base import Batch, Query, unsqueeze_like
from benchmark.attacks.budgeted import Budgeted
from benchmark.attacks.losses import cross_entropy, jensen_shannon, soft_iou
from benchmark.attacks.projection import direction, project

_MOMENTUM = 0.75  # share of the new step; the rest is that of the step before
_RISES = 0.75  # share of a window's updates that have to raise the loss
# Checkpoints, in per cent of a phase: 22, and then further by 3 less each time, but never by less than 6.
_FIRST, _LESS, _LEAST = 22, 3, 6

Loss = Literal["ce", "dlr", "mask_ce", "balanced_ce", "js", "iou"]


@dataclass(frozen=True)
class Phase:
    """Where each image is in SEA's schedule of shrinking budgets; all (B,).

    Attributes:
        factor: what the budget is multiplied by, float.
        update: updates since the phase's first iterate, int64; 0 there.
        length: how many iterates of the phase are updated, int64, at least 1.
    """

    factor: Tensor
    update: Tensor
    length: Tensor


@dataclass(frozen=True)
class APGD(Budgeted):
    """Projected gradient ascent with momentum that halves its step, and goes back to the best point, when it stalls.

    With z = P(x_n + η g_n), g the gradient's sign (norm 2: its direction), x_{n+1} = P(x_n + ¾ (z − x_n) + ¼ (x_n −
    x_{n−1})), the first update without momentum; η = 2ε at the beginning. At a checkpoint η is halved and x_n becomes
    the point of the highest loss so far, if fewer than ¾ of the updates since the last checkpoint have raised the loss,
    or if neither η nor the highest loss has changed since then. Checkpoints are the updates ⌈p_j N⌉ of N with p_0 = 0,
    p_1 = .22, p_{j+1} = p_j + max(p_j − p_{j−1} − .03, .06).

    All of this is the paper's. Its public code (fra31/auto-attack) differs: it rounds .22 N, .03 N and .06 N down
    before it adds them (N = 90: checkpoints at 19, 36, 51, … in place of 20, 37, 52, …), halves η where the count is
    exactly ¾, too, and counts the first update as raised.

    The loss that is watched is the mean cross-entropy, as in SEA, and with "dlr" and "iou" that loss itself.

    Args:
        loss: of the gradient. "ce"; "dlr", the difference of logits ratio of the pixels not yet fooled, for three
            classes or more (for two it is their margin); SEA's "mask_ce", cross-entropy of the pixels not yet fooled;
            "balanced_ce", the same divided by how many of the training set's pixels have the label (of the image's own,
            where the training set is not known); "js", Jensen-Shannon divergence of prediction and label; "iou", what
            probabilities in place of predictions have of the image's IoU, see `losses.soft_iou`.
        shrinking: SEA's schedule: 30 % of the steps within 2ε, 30 % within 1.5ε and the rest within ε, each phase anew
            from the previous one's point with the most pixels fooled, projected. A phase's first iterate takes the
            place of one update.
        random_start: start, in the first phase only, at a random point of the ball.
    """

    loss: Loss = "ce"
    shrinking: bool = False
    random_start: bool = True
    may_start_anywhere = True  # `state` is filled anew at the first iterate of a phase

    def __post_init__(self) -> None:
        super().__post_init__()
        self.declare(wants_class_pixels=self.loss == "balanced_ce")

    def start(self, batch: Batch) -> Tensor:
        images, numbers, counts = batch.images, torch.zeros_like(batch.eps), torch.zeros_like(batch.steps)
        factor = self.phase(batch, batch.steps).factor
        points = self.random_point(batch, factor=factor) if self.random_start else images
        batch.state |= {"before": points, "best": points, "best_gradient": torch.zeros_like(images)}
        batch.state |= {"length": 2 * factor * batch.eps, "loss": numbers, "best_loss": numbers}
        batch.state |= {"rises": counts, "window": counts, "mark": counts, "gap": counts}
        batch.state |= {"checked_loss": numbers, "halved": counts.bool()}
        if self.shrinking:
            batch.state |= {"handed_on": points, "fooled": numbers}
        if self.loss == "balanced_ce":
            batch.state["class_weights"] = _class_weights(batch)
        return points

    def warm(self) -> Self:
        """Without the larger budgets of the schedule, which would only lead away from the point and back."""
        return replace(self, shrinking=False)

    def step(self, batch: Batch, query: Query) -> Tensor:
        logits, gradient = query.gradient(lambda logits, points: self.objective(logits, batch))
        phase = self.phase(batch, batch.steps)
        if self.loss in ("dlr", "iou"):
            loss = self.objective(logits, batch)
        else:
            loss = self.ascended(cross_entropy(logits, batch.labels), batch)
        self._remember(batch, phase, gradient, loss)
        points, gradient = self._look_back(batch, phase, gradient)
        following = self._update(batch, phase, points, gradient)
        batch.state["before"] = points
        batch.report["step_size"] = batch.state["length"]
        return self._hand_on(batch, phase, following, logits) if self.shrinking else following

    def objective(self, logits: Tensor, batch: Batch) -> Tensor:
        """What the gradient is taken of; logits (B, K, h, w) -> (B,), larger where the attack is nearer its aim."""
        if self.loss == "iou":
            overlap = soft_iou(logits, batch)
            return overlap if self.targeted else -overlap
        return self.ascended(self.misfit(logits, batch), batch)

    def misfit(self, logits: Tensor, batch: Batch) -> Tensor:
        """What the objective is the mean of, per pixel, but for "iou"; logits (B, K, h, w) -> (B, h, w)."""
        if self.loss == "js":
            return jensen_shannon(logits, batch.labels)
        if self.loss in ("ce", "dlr"):
            return self.misfit_by(self.loss, logits, batch)
        misfit = cross_entropy(logits, batch.labels)
        if self.loss == "balanced_ce":
            misfit = misfit * batch.state["class_weights"].gather(1, batch.labels.flatten(1)).view_as(misfit)
        return misfit * ~self._fooled(logits, batch)

    def phase(self, batch: Batch, steps: Tensor) -> Phase:
        """Where the iterates after `steps` (B,) updates are in the schedule of budgets."""
        return phase_at(steps, batch.max_steps, self.shrinking, batch.eps.dtype)

    def _fooled(self, logits: Tensor, batch: Batch) -> Tensor:
        return (metrics.predicted(logits) == batch.labels) == self.targeted

    def _remember(self, batch: Batch, phase: Phase, gradient: Tensor, loss: Tensor) -> None:
        """Take note of the current iterates: the best of the phase so far, and whether the last update helped."""
        state, fresh = batch.state, phase.update == 0
        better = fresh | (loss > state["best_loss"])
        batch.state |= {
            "length": torch.where(fresh, 2 * phase.factor * batch.eps, state["length"]),
            "best": torch.where(unsqueeze_like(better, gradient), batch.iterates, state["best"]),
            "best_gradient": torch.where(unsqueeze_like(better, gradient), gradient, state["best_gradient"]),
            "best_loss": torch.where(better, loss, state["best_loss"]),
            "rises": (state["rises"] + (loss > state["loss"])).masked_fill(fresh, 0),
            "window": (state["window"] + 1).masked_fill(fresh, 0),
            "loss": loss,
            "checked_loss": torch.where(fresh, loss, state["checked_loss"]),
            "halved": state["halved"] & ~fresh,
            "mark": state["mark"].masked_fill(fresh, _FIRST),
            "gap": state["gap"].masked_fill(fresh, _FIRST),
        }

    def _look_back(self, batch: Batch, phase: Phase, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """At a checkpoint, halve the step and go back to the best point if the phase stalls; points and gradients."""
        state = batch.state
        # In whole numbers: per cents of a length, as floating-point numbers, would be rounded up to the next update.
        due = 100 * phase.update >= state["mark"] * phase.length
        due = due & (phase.update > 0)
        idle = ~state["halved"] & (state["best_loss"] <= state["checked_loss"])
        back = due & ((state["rises"] < _RISES * state["window"]) | idle)
        gap = torch.where(due, (state["gap"] - _LESS).clamp(min=_LEAST), state["gap"])
        batch.state |= {
            "length": torch.where(back, state["length"] / 2, state["length"]),
            "loss": torch.where(back, state["best_loss"], state["loss"]),
            "checked_loss": torch.where(due, state["best_loss"], state["checked_loss"]),
            "halved": torch.where(due, back, state["halved"]),
            "rises": state["rises"].masked_fill(due, 0),
            "window": state["window"].masked_fill(due, 0),
            "mark": torch.where(due, state["mark"] + gap, state["mark"]),
            "gap": gap,
        }
        returns = unsqueeze_like(back, gradient)
        points = torch.where(returns, state["best"], batch.iterates)
        return points, torch.where(returns, state["best_gradient"], gradient)

    def _update(self, batch: Batch, phase: Phase, points: Tensor, gradient: Tensor) -> Tensor:
        eps = phase.factor * batch.eps
        ahead = points + unsqueeze_like(batch.state["length"], gradient) * direction(gradient, self.norm)
        ahead = project(ahead, batch.images, eps, self.norm)
        eased = points + _MOMENTUM * (ahead - points) + (1 - _MOMENTUM) * (points - batch.state["before"])
        eased = project(eased, batch.images, eps, self.norm)
        return torch.where(unsqueeze_like(phase.update == 0, ahead), ahead, eased)

    def _hand_on(self, batch: Batch, phase: Phase, following: Tensor, logits: Tensor) -> Tensor:
        """Where a phase ends, its most fooling point, projected, in place of the next iterate."""
        state = batch.state
        coming = self.phase(batch, batch.steps + 1)
        share = (self._fooled(logits, batch) & batch.valid).flatten(1).sum(1).to(batch.eps.dtype)
        # The latest of equals, as in SEA.
        better = (phase.update == 0) | (share >= state["fooled"])
        handed_on = torch.where(unsqueeze_like(better, following), batch.iterates, state["handed_on"])
        batch.state |= {"handed_on": handed_on, "fooled": torch.where(better, share, state["fooled"])}
        first = project(handed_on, batch.images, coming.factor * batch.eps, self.norm)
        return torch.where(unsqueeze_like(coming.update == 0, first), first, following)


def _class_weights(batch: Batch) -> Tensor:
    """How much a pixel of each class counts, inverse to how often it occurs, on average 1; (B, K)."""
    if batch.class_pixels is None:
        counts = metrics.confusion(batch.labels, batch.labels, batch.valid, batch.classes).diagonal(dim1=1, dim2=2)
    else:
        counts = torch.tensor(batch.class_pixels, dtype=torch.float64, device=batch.eps.device)
        counts = counts.expand(len(batch.eps), -1)
    return (counts.double().mean(1, keepdim=True) / counts.clamp(min=1)).to(batch.images.dtype)


def phase_at(steps: Tensor, total: int, shrinking: bool, dtype: torch.dtype) -> Phase:
    """The phase of the iterates after `steps` (B,) of `total` updates.

    Args:
        shrinking: three tenths of the steps within 2 budgets, three within 1.5, the rest within 1; False: all within 1.
        dtype: of the factors.
    """
    second, third = (3 * total // 10, 6 * total // 10) if shrinking else (0, 0)
    # One number for each of the three phases; a total too small for all of them leaves out the first.
    reached = [steps >= second, steps >= third]

    def choose(first: float, then: float, last: float, kind: torch.dtype) -> Tensor:
        return first + (then - first) * reached[0].to(kind) + (last - then) * reached[1].to(kind)

    beginning = choose(0, second, third, steps.dtype)
    length = choose(second, third - second, total - third, steps.dtype).clamp(min=1)
    return Phase(choose(2, 1.5, 1, dtype), steps - beginning, length)
