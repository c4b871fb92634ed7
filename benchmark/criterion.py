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


@dataclass(frozen=True)
class Criterion:
    """An image is a success when `metric` to `reference` is `op` `value`.

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
        """The judged number for each image.

        Args:
            preds: (B, h, w) int64 predicted classes.
            references: "target" and/or "truth", (B, h, w) int64.
            valid: (B, h, w) bool.
            classes: K.
            background: the class that is not foreground, if any.

        Returns:
            (B,) float64.
        """
        counts = metrics.confusion(preds, references[self.reference], valid, classes)
        if self.metric == "iou":
            return metrics.iou(counts, background)
        if self.metric == "dice":
            return metrics.dice(counts, background)
        if self.metric == "area":
            return metrics.area(counts, background)
        agreement = metrics.pixel_accuracy(counts)
        return agreement if self.reference == "target" else 1 - agreement

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
