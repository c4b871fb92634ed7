"""Who decides: full-precision judgements, which of an image's iterates is kept, and when the image has ended."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.profiler import record_function

from benchmark.attacks.base import Batch, Rule, norms
from benchmark.criterion import Criterion
from benchmark.engine.jobs import Finished, InFlight
from benchmark.engine.model import AttackedModel, is_finite
from benchmark.engine.slots import NO_SUCCESS, SUCCESS, SUCCESS8, Slots
from benchmark.images.quantisation import EIGHT_BIT, Quantizer

Keep = Literal["best", "last", "score"]

JUDGING = "attack: judging"
"""What profilers see of the passes that judge, confirm and report."""

# Confirming costs a pass: a rule whose norm falls at every step would spend a third of its passes on that.
_GAIN = 0.95


class IterateSelector:
    """Applies one judge to everything one rule produces.

    Args:
        network: the frozen model.
        rule: whose norm, budget and sense (targeted or not) count.
        judge: what counts as success.
        stop, keep, confirm: as of `Engine`.
        grid: of the files, to which images are rounded.
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
        quantizer: Quantizer = EIGHT_BIT,
    ) -> None:
        self._network, self._rule, self._judge = network, rule, judge
        self._stop, self._keep, self._quantizer = stop, keep, quantizer
        # By its score alone nothing is a success while the image is attacked, and there is nothing to confirm.
        self.confirms, self._tier = keep != "score", SUCCESS if confirm else SUCCESS8
        self._rounds = confirm and self.confirms
        self.gain = None if not self.confirms else _GAIN if confirm else 1

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

        `preds` (B, h, w) are the logits' classes, if they are known.

        So too where `size` (B,), the norm of the perturbation, is over the image's budget: a rule may pass through
        there, but neither succeed nor stay.
        """
        batch = slots.batch
        references = {"target": batch.labels, "truth": slots.truth if self._rule.targeted else batch.labels}
        preds = self._network.classes(logits) if preds is None else preds
        score = self._judge.score(preds, references, batch.valid, batch.classes, batch.background)
        counts = is_finite(logits)
        if size is not None:
            counts = counts & (size <= batch.eps + _rounding(batch.eps))
        return torch.where(counts, score, self._judge.worst)

    def dismiss_clean(self, slots: Slots) -> Tensor:
        """Which fresh images, (B,) bool, are a success as they are; unless all steps are asked for, they have ended."""
        ended = self._judge.holds(slots.best_score) & (self._stop or self._keep == "best")
        # There is nothing to confirm: the clean image is what is kept.
        slots.confirmation = torch.where(ended, SUCCESS8, slots.confirmation)
        return ended

    def settle(self, slots: Slots) -> Tensor:
        """Confirm what waits to be confirmed, keep what is best, let the others go on; returns who has ended, (B,)."""
        # At the end also what was too little better than the best to be confirmed on the way.
        chosen = slots.candidate | (slots.ended & slots.candidate_norm.isfinite())
        self._consider(slots, chosen, slots.found, slots.candidate_step, slots.candidate_score)
        slots.candidate_norm = slots.candidate_norm.masked_fill(chosen, torch.inf)
        # The iterate after the last update has not been through the model yet.
        last = slots.ended & ~slots.nonfinite & ~self._stopped(slots)
        self._consider(slots, last, slots.batch.iterates, slots.batch.steps)
        ended = slots.ended | self._stopped(slots)
        slots.candidate = torch.zeros_like(ended)
        slots.waiting = ended
        return ended

    def finish(self, slots: Slots, in_flight: Sequence[InFlight]) -> list[Finished]:
        """Predict what is kept of these images once more, in full precision, check it and report it."""
        by_success = self._stopped(slots)
        adv, kept_step = slots.best, slots.kept_step
        if self._keep == "last":
            adv = torch.where(by_success.view(-1, 1, 1, 1), adv, slots.batch.iterates)
            kept_step = torch.where(by_success, kept_step, slots.batch.steps)
        steps = torch.where(by_success, kept_step, slots.batch.steps)
        self._verify(adv, slots.batch, [image.job.id for image in in_flight])
        preds, success = self._judged(slots, adv)
        preds8, success8 = self._judged(slots, self._quantizer.round(adv))
        counts = {
            **{"steps": steps, "kept_step": kept_step, "forwards": slots.forwards, "backwards": slots.backwards},
            **{"success_passes": slots.success_passes, "zero_gradients": slots.zero_gradients},
        }
        listed = {name: values.tolist() for name, values in counts.items()}
        listed["success_passes"] = [None if passes < 0 else passes for passes in listed["success_passes"]]
        nonfinite = slots.nonfinite.tolist()
        return [
            Finished(
                *(image.job, adv[i].cpu(), image.clean_preds, preds[i], preds8[i]),
                *(image.satisfied, success[i], success8[i]),
                seconds=image.seconds,
                nonfinite_gradient=nonfinite[i],
                trace=image.trace,
                **{name: values[i] for name, values in listed.items()},
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
        """Scores (n,) of points (n, C, H, W) of the images at `index`, counted as a pass."""
        slots.forwards = slots.forwards.index_add(0, index, torch.ones_like(index))
        return self.score(slots.pick(index), self.predict(points), size)

    def _consider(
        self, slots: Slots, chosen: Tensor, points: Tensor, steps: Tensor, score: Tensor | None = None
    ) -> None:
        """Decide what the points (B, C, H, W) of the images `chosen` (B,) are worth, keep what is better than before.

        A score given is that of a success; if it was judged in reduced precision, it is judged again.
        """
        index = chosen.nonzero().flatten()
        if not len(index):
            return
        points, steps = points[index], steps[index]
        size = norms(points - slots.batch.images[index], self._rule.norm)
        again = score is None or self._network.reduced
        score = self._judge_again(slots, index, points, size) if again or score is None else score[index]
        success = self._judge.holds(score)
        if not self.confirms:
            slots.succeeded(torch.zeros_like(chosen).index_put((index,), success))
        confirmation = torch.where(success & self.confirms, self._tier, NO_SUCCESS)
        ask = success & ((slots.confirmation[index] < SUCCESS8) | (size < slots.best_norm[index]))
        if self._rounds and ask.any():
            # Rounding may take an image a little over its budget; that is the file's matter, not the rule's.
            confirmed = self._judge.holds(self._judge_again(slots, index[ask], self._quantizer.round(points[ask])))
            confirmation[ask] = torch.where(confirmed, SUCCESS8, SUCCESS)
        slots.promote(index, points, steps, score, confirmation, size, self._judge.better)
        slots.succeeded(slots.confirmation == SUCCESS8)

    def _verify(self, adv: Tensor, batch: Batch, ids: Sequence[str]) -> None:
        """A rule whose result is out of range or over budget has a bug; no number of it may be reported."""
        low, high = adv.flatten(1).amin(1), adv.flatten(1).amax(1)
        outside = ~((low >= 0) & (high <= 1))
        size, eps = norms(adv.double() - batch.images.double(), self._rule.norm), batch.eps.double()
        outside |= size > eps + _rounding(eps)
        for i in outside.nonzero().flatten().tolist():
            found = f"values from {low[i].item():.6g} to {high[i].item():.6g}, norm {size[i].item():.6g}"
            raise RuntimeError(f"{type(self._rule).__name__} left [0,1] or its budget on image {ids[i]}: {found}")


def _rounding(eps: Tensor) -> Tensor:
    """Room for the rounding of a projection done in float32."""
    return 1e-6 * eps.clamp(min=1)
