"""Who decides: full-precision judgements of points, and which of an image's iterates is kept."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.attacks.base import Rule, norms
from benchmark.criterion import Criterion
from benchmark.network import Network
from benchmark.pixels import round8
from benchmark.slots import NO_SUCCESS, SUCCESS, SUCCESS8, Slots


class Referee:
    """Applies one judge to everything one rule produces.

    Args:
        network: the frozen model.
        rule: whose norm, budget and sense (targeted or not) count.
        judge: what counts as success.
        confirm: whether a success must also hold on the image rounded to 8 bits.
    """

    def __init__(self, network: Network, rule: Rule, judge: Criterion, confirm: bool) -> None:
        self._network, self._rule, self._judge, self._confirm = network, rule, judge, confirm

    def predict(self, points: Tensor) -> Tensor:
        """Logits in full precision, in as many parts as the memory needs."""
        try:
            with torch.no_grad():
                return self._network(points, exact=True)
        except torch.OutOfMemoryError:
            if len(points) == 1:
                raise
        return torch.cat([self.predict(part) for part in points.chunk(2)])

    def score(self, slots: Slots, preds: Tensor) -> Tensor:
        batch = slots.batch
        references = {"target": batch.labels, "truth": slots.truth if self._rule.targeted else batch.labels}
        return self._judge.score(preds, references, batch.valid, batch.classes, batch.background)

    def judge(self, slots: Slots, index: Tensor, points: Tensor) -> Tensor:
        """Judged scores (n,) of points (n, C, H, W) of the images at `index`, in full precision; counted."""
        slots.forwards = slots.forwards.index_add(0, index, torch.ones_like(index))
        return self.score(slots.pick(index), self.predict(points).argmax(1))

    def consider(self, slots: Slots, index: Tensor, points: Tensor, steps: Tensor, score: Tensor | None = None) -> None:
        """Decide what the points of the images at `index` (n,) are worth, and keep what is better than before.

        A judgement made in reduced precision only makes a candidate: it is repeated in full precision.
        """
        if not len(index):
            return
        points, steps = points[index], steps[index]
        known = None if score is None or self._network.reduced else score[index]
        score = self.judge(slots, index, points) if known is None else known
        size = norms(points - slots.batch.images[index], self._rule.norm)
        success = self._judge.holds(score)
        tier = torch.where(success, SUCCESS if self._confirm else SUCCESS8, NO_SUCCESS)
        ask = success & ((slots.tier[index] < SUCCESS8) | (size < slots.best_norm[index]))
        if self._confirm and ask.any():
            confirmed = self._judge.holds(self.judge(slots, index[ask], round8(points[ask])))
            tier[ask] = torch.where(confirmed, SUCCESS8, SUCCESS)
        slots.promote(index, points, steps, score, tier, size, self._judge.better)

    def verify(self, adv: Tensor, images: Tensor, ids: Sequence[str]) -> None:
        """A rule whose result is out of range or over budget has a bug; no number of it may be reported."""
        low, high = adv.flatten(1).amin(1), adv.flatten(1).amax(1)
        outside = ~((low >= 0) & (high <= 1))
        if self._rule.eps is not None:
            outside |= norms(adv - images, self._rule.norm) > self._rule.eps + 1e-6
        for i in outside.nonzero().flatten().tolist():
            found = f"values from {low[i].item():.6g} to {high[i].item():.6g}"
            raise RuntimeError(f"{type(self._rule).__name__} left [0,1] or its budget on image {ids[i]}: {found}")
