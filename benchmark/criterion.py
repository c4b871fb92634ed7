"""The judge: what counts as success, the same for every rule of a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.errors import InputError

Metric = Literal["iou", "dice", "apsr", "area"]
Reference = Literal["target", "truth"]
Op = Literal[">=", "<="]

RESIDUAL = 0.01
"""Of an erased structure, as a share of its area, what may be left."""


@dataclass(frozen=True)
class Criterion:
    """An image is a success when `metric` to `reference` is `op` `value`.

    To an erased target, one without foreground, IoU and Dice are 0 until not a pixel is left. A judge that asks for
    much of them (`op` ">=") asks there for a predicted foreground of at most `RESIDUAL` of the truth's, in which an
    empty truth counts as one pixel.

    Args:
        metric: "iou", "dice" (foreground, see `metrics`), "apsr" (share of valid pixels that are at the target, or
            that have left the truth), "area" (predicted foreground relative to the truth's, for erased targets).
        reference: "target" or "truth", the map it is measured against.
        op: ">=" (higher is better) or "<=" (lower is better).
        value: the threshold.
    """

    metric: Metric = "iou"
    reference: Reference = "target"
    op: Op = ">="
    value: float = 0.95

    def __post_init__(self) -> None:
        for name, allowed in (("metric", Metric), ("reference", Reference), ("op", Op)):
            if getattr(self, name) not in get_args(allowed):
                raise InputError(f"judge: {name}={getattr(self, name)!r} is not one of {', '.join(get_args(allowed))}")
        if not 0 <= self.value <= (float("inf") if self.metric == "area" else 1):
            raise InputError(f"judge: value={self.value:g}: {self.metric} lies between 0 and 1 and never reaches it")
        if self.metric == "area" and self.reference != "truth":
            raise InputError("judge: metric=area is measured against the truth; set judge.reference=truth")

    def __str__(self) -> str:
        return f"{self.metric} to {self.reference} {self.op} {self.value:g}"

    def score(
        self, preds: Tensor, references: Mapping[str, Tensor], valid: Tensor, classes: int, background: int | None
    ) -> Tensor:
        """The judged number for each image; to an erased target, see above, `value` + `RESIDUAL` − the area left.

        Args:
            preds: (B, h, w) int64 predicted classes.
            references: "target" and/or "truth", (B, h, w) int64; without the truth no target counts as erased.
            valid: (B, h, w) bool.
            classes: K.
            background: the class that is not foreground, if any.

        Returns:
            (B,) float64.
        """
        counts = metrics.confusion(preds, references[self.reference], valid, classes)
        if self.metric == "area":
            return metrics.area(counts, background)
        if self.metric == "apsr":
            agreement = metrics.pixel_accuracy(counts)
            return agreement if self.reference == "target" else 1 - agreement
        overlap = metrics.iou(counts, background) if self.metric == "iou" else metrics.dice(counts, background)
        if self.reference == "truth" or self.op == "<=" or "truth" not in references or background is None:
            return overlap
        predicted, aimed = (counts.sum(side) for side in (-2, -1))
        left = predicted.sum(-1) - predicted[:, background]
        shown = ((references["truth"] != background) & valid).flatten(1).sum(1).clamp(min=1)
        erased = aimed.sum(-1) == aimed[:, background]
        return torch.where(erased, self.value + (RESIDUAL - left.double() / shown), overlap)

    def holds(self, score: Tensor) -> Tensor:
        """Whether each score is a success; (B,) -> (B,) bool."""
        return score >= self.value if self.op == ">=" else score <= self.value

    @property
    def worst(self) -> float:
        """The score of what must not count: no score is worse, and it is no success."""
        return float("-inf") if self.op == ">=" else float("inf")

    def better(self, score: Tensor, other: Tensor) -> Tensor:
        """Whether each score is strictly closer to success than the other; (B,), (B,) -> (B,) bool."""
        return torch.gt(score, other) if self.op == ">=" else torch.lt(score, other)
