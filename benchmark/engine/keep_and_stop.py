"""Decides in full precision which iterates are successes, which one of an image is kept, and when the image is done."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.profiler import record_function

from benchmark import metrics
from benchmark.attacks.base import Batch, Rule, norms, unsqueeze_like
from benchmark.attacks.projection import stretch
from benchmark.criterion import Criterion
from benchmark.engine.jobs import Finished, InFlight
from benchmark.engine.limits import Limits
from benchmark.engine.model import AttackedModel
from benchmark.engine.slots import NO_SUCCESS, SUCCESS, SUCCESS8, Slots
from benchmark.errors import InputError
from benchmark.images.quantisation import Quantizer

Keep = Literal["best", "last", "score"]

JUDGING = "attack: judging"
"""The name in a profile of the passes that judge, confirm and report."""

# Confirming costs a pass: a rule whose norm falls at every step would spend a third of its passes on that.
_GAIN = 0.95


class IterateSelector:
    """Applies one judge to everything one rule produces.

    Args:
        network: the frozen model.
        rule: gives the norm, the budget, and whether it is targeted.
        judge: what counts as success.
        stop, keep, confirm: as of `Engine`.
        quantizer: rounds images as their files will be.

    Raises:
        InputError: for an unknown `keep`, or keep="score" together with `stop`.
    """

    def __init__(
        self,
        network: AttackedModel,
        rule: Rule,
        judge: Criterion,
        *,
        stop: bool,
        keep: Keep,
        confirm: bool,
        quantizer: Quantizer,
    ) -> None:
        if keep not in get_args(Keep):
            raise InputError(f"keep={keep!r}: must be 'best', 'last' or 'score'")
        if keep == "score" and stop:
            raise InputError("keep='score' looks for the best score of all steps; set stop=False")
        self._network, self._rule, self._judge = network, rule, judge
        self._stop, self._keep, self._quantizer = stop, keep, quantizer
        # By its score alone nothing is a success while the image is attacked, and there is nothing to confirm.
        self.confirms, self._in_float = keep != "score", SUCCESS if confirm else SUCCESS8
        self._confirms_rounded = confirm and self.confirms
        self._gain = None if not self.confirms else _GAIN if confirm else 1

    def predict(self, points: Tensor) -> Tensor:
        """Logits in full precision, in as many parts as the memory needs."""
        try:
            with torch.no_grad(), record_function(JUDGING):
                return self._network(points, exact=True)
        except torch.OutOfMemoryError:
            if len(points) == 1:
                raise
        return torch.cat([self.predict(part) for part in points.chunk(2)])

    def score(self, slots: Slots, logits: Tensor, size: Tensor | None = None, preds: Tensor | None = None) -> Tensor:
        """Judged scores (B,) of logits (B, K, h, w), and the judge's worst where they are not finite.

        An image also gets the worst score where `size` (B,), the norm of its perturbation, is over its budget: a rule
        may pass through there, but neither succeed nor stay. `preds` (B, h, w) are the logits' classes, if known.
        """
        batch = slots.batch
        references = {"target": batch.labels, "truth": slots.truth if self._rule.targeted else batch.labels}
        preds = self._network.classes(logits) if preds is None else preds
        score = self._judge.score(preds, references, batch.valid, batch.classes, batch.background)
        counts = metrics.is_finite(logits)
        if size is not None:
            counts = counts & (size <= batch.eps + _rounding(batch.eps))
        return torch.where(counts, score, self._judge.worst)

    def record(self, slots: Slots, awake: Tensor, logits: Tensor, preds: Tensor) -> Tensor:
        """Judge the current iterates of the images `awake` (B,) by their logits; returns which are successes, (B,)."""
        size = norms(slots.batch.iterates - slots.batch.images, self._rule.norm)
        score = self.score(slots, logits, size, preds)
        success = awake & self._judge.holds(score)
        slots.record_judgement(
            awake=awake, success=success, score=score, size=size, closer=self._judge.better, gain=self._gain
        )
        return success

    def dismiss_clean(self, slots: Slots) -> Tensor:
        """Which fresh images, (B,) bool, are done: the clean image is a success and no further step is wanted."""
        done = self._judge.holds(slots.best_score) & (self._stop or self._keep == "best")
        slots.confirm_clean(done)
        return done

    def dismiss_started(self, slots: Slots, limits: Limits) -> Tensor:
        """Judge the images that start at a given point, which is the best so far; returns which end there, (B,) bool.

        One ends if the judge holds, also on the rounded image, and the attack stops at a success; or, unless a success
        is worth more the smaller its norm is, if neither its score nor that of the rounded image can be bettered.
        """
        index = slots.started.nonzero().flatten()
        if not len(index):
            return torch.zeros_like(slots.started)
        points, steps = slots.batch.iterates[index], slots.batch.steps[index]
        size = norms(points - slots.batch.images[index], self._rule.norm)
        score = self._judge_again(slots, index, points, size)
        slots.take_start(index, score, size)
        self._confirm(slots, index, points=points, steps=steps, score=score, size=size)
        floor = slots.started & self._stopped(slots)
        lowest = slots.started & ~floor & (slots.best_score == self._judge.limit) & (self._keep != "best")
        if lowest.any():
            index = lowest.nonzero().flatten()
            rounded = self._judge_again(slots, index, self._quantizer.round(slots.best[index]))
            floor = floor | lowest.index_put((index,), rounded == self._judge.limit)
        # The start, which is kept, does not use up the budget; steps begin at the bound, in its direction.
        batch = slots.batch
        onwards = batch.iterates
        if self._rule.eps is not None:
            onwards = stretch(onwards, batch.images, batch.eps, self._rule.norm)
        slots.end_at_start(floor, limits, self._rule.passes_per_step, onwards)
        return floor

    def settle(self, slots: Slots) -> Tensor:
        """Confirm candidates, keep the best iterates and let the other images go on; returns who has ended, (B,)."""
        # At the end also candidates that were too little better than the best to be confirmed on the way.
        chosen = slots.pending | (slots.ended & slots.candidate_norm.isfinite())
        self._consider(slots, chosen, slots.candidate, slots.candidate_step, slots.candidate_score)
        # The iterate after the last update has not been through the model yet.
        last = slots.ended & ~slots.nonfinite & ~self._stopped(slots)
        self._consider(slots, last, slots.batch.iterates, slots.batch.steps)
        ended = slots.ended | self._stopped(slots)
        slots.resume(chosen, ended)
        return ended

    def finish(self, slots: Slots, in_flight: Sequence[InFlight]) -> list[Finished]:
        """Predict the kept iterates once more, in full precision, check them and report them."""
        by_success = self._stopped(slots)
        adv, kept_step = slots.best, slots.kept_step
        if self._keep == "last":
            adv = torch.where(unsqueeze_like(by_success, adv), adv, slots.batch.iterates)
            kept_step = torch.where(by_success, kept_step, slots.batch.steps)
        steps = torch.where(by_success, kept_step, slots.batch.steps)
        self._verify(adv, slots.batch, [image.job.id for image in in_flight])
        preds, success = self._judged(slots, adv)
        preds8, success8 = self._judged(slots, self._quantizer.round(adv))
        counts = {
            "steps": steps.tolist(),
            "kept_step": kept_step.tolist(),
            "forwards": slots.forwards.tolist(),
            "backwards": slots.backwards.tolist(),
            "success_passes": [None if passes < 0 else passes for passes in slots.success_passes.tolist()],
            "zero_gradients": slots.zero_gradients.tolist(),
            "nonfinite_gradient": slots.nonfinite.tolist(),
            "at_floor": slots.at_floor.tolist(),
        }
        return [
            Finished(
                job=image.job,
                adv=adv[i].cpu(),
                clean_preds=image.clean_preds,
                adv_preds=preds[i],
                adv8_preds=preds8[i],
                success_clean=image.success_clean,
                success=success[i],
                success8=success8[i],
                seconds=image.seconds,
                trace=image.trace,
                **{name: values[i] for name, values in counts.items()},
            )
            for i, image in enumerate(in_flight)
        ]

    def _stopped(self, slots: Slots) -> Tensor:
        return (slots.confirmation == SUCCESS8) & self._stop

    def _judged(self, slots: Slots, points: Tensor) -> tuple[Tensor, list[bool]]:
        """Predictions (B, h, w) on the CPU and whether the judge holds for each."""
        logits = self.predict(points)
        preds = self._network.classes(logits)
        return preds.cpu(), self._judge.holds(self.score(slots, logits, preds=preds)).tolist()

    def _judge_again(self, slots: Slots, index: Tensor, points: Tensor, size: Tensor | None = None) -> Tensor:
        """Scores (n,) of points (n, C, H, W) of the images at `index`, for one counted pass."""
        slots.count_forward(index)
        return self.score(slots.pick(index), self.predict(points), size)

    def _consider(
        self, slots: Slots, chosen: Tensor, points: Tensor, steps: Tensor, score: Tensor | None = None
    ) -> None:
        """Judge and confirm the points (B, C, H, W) of the images `chosen` (B,), and keep those better than before.

        A given score (B,) is that of a success; if it was judged in reduced precision, it is judged again.
        """
        index = chosen.nonzero().flatten()
        if not len(index):
            return
        points, steps = points[index], steps[index]
        size = norms(points - slots.batch.images[index], self._rule.norm)
        again = score is None or self._network.reduced
        score = self._judge_again(slots, index, points, size) if again or score is None else score[index]
        self._confirm(slots, index, points=points, steps=steps, score=score, size=size)

    def _confirm(
        self, slots: Slots, index: Tensor, *, points: Tensor, steps: Tensor, score: Tensor, size: Tensor
    ) -> None:
        """Confirm the successes among points (n, C, H, W), judged in full precision, of the images at `index`."""
        success = self._judge.holds(score)
        if not self.confirms:
            none = torch.zeros(len(slots), dtype=torch.bool, device=index.device)
            slots.record_success(none.index_put((index,), success))
        confirmation = torch.where(success & self.confirms, self._in_float, NO_SUCCESS)
        ask = success & ((slots.confirmation[index] < SUCCESS8) | (size < slots.best_norm[index]))
        if self._confirms_rounded and ask.any():
            # Rounding may take an image a little over its budget. The rule is not to blame for that.
            confirmed = self._judge.holds(self._judge_again(slots, index[ask], self._quantizer.round(points[ask])))
            confirmation[ask] = torch.where(confirmed, SUCCESS8, SUCCESS)
        slots.keep(
            index, points, steps=steps, score=score, confirmation=confirmation, size=size, closer=self._judge.better
        )
        slots.record_success(slots.confirmation == SUCCESS8)

    def _verify(self, adv: Tensor, batch: Batch, ids: Sequence[str]) -> None:
        """Raise RuntimeError if a result is out of range or over budget: the rule has a bug, so nothing is reported."""
        low, high = adv.flatten(1).amin(1), adv.flatten(1).amax(1)
        outside = ~((low >= 0) & (high <= 1))
        size, eps = norms(adv.double() - batch.images.double(), self._rule.norm), batch.eps.double()
        outside |= size > eps + _rounding(eps)
        for i in outside.nonzero().flatten().tolist():
            result = f"values from {low[i].item():.6g} to {high[i].item():.6g}, norm {size[i].item():.6g}"
            raise RuntimeError(f"{type(self._rule).__name__} left [0,1] or its budget on image {ids[i]}: {result}")


def _rounding(eps: Tensor) -> Tensor:
    """Room for the rounding of a projection done in float32."""
    return 1e-6 * eps.clamp(min=1)
