"""The judge: what counts as success, the same for every rule of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Literal, Self, get_args

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.errors import InputError, did_you_mean
from benchmark.label_subsets import are_subsets, label_count

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
        classes: "mean", over foreground classes or over labels that overlap, or the number or name of the one class or
            label that is judged, all else being its background. A name needs `for_names`.
    """

    metric: Metric = "iou"
    reference: Reference = "target"
    op: Op = ">="
    value: float = 0.95
    _: KW_ONLY
    classes: str | int = "mean"
    _index: int | None = field(default=None, init=False, repr=False, compare=False)
    _name: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, allowed in (("metric", Metric), ("reference", Reference), ("op", Op)):
            if getattr(self, name) not in get_args(allowed):
                raise InputError(f"judge: {name}={getattr(self, name)!r} is not one of {', '.join(get_args(allowed))}")
        if not 0 <= self.value <= (float("inf") if self.metric == "area" else 1):
            raise InputError(f"judge: value={self.value:g}: {self.metric} lies between 0 and 1 and never reaches it")
        if isinstance(self.classes, bool) or (isinstance(self.classes, int) and self.classes < 0):
            raise InputError(f"judge: classes={self.classes!r} is neither mean nor a class")
        if isinstance(self.classes, int):
            object.__setattr__(self, "_index", self.classes)
        if self.metric == "area" and self.reference != "truth":
            raise InputError("judge: metric=area is measured against the truth; set judge.reference=truth")

    def __str__(self) -> str:
        judged = self._name or f"{'class ' * isinstance(self.classes, int)}{self.classes}"
        one = "" if self.classes == "mean" else f" of {judged}"
        return f"{self.metric}{one} to {self.reference} {self.op} {self.value:g}"

    @property
    def index(self) -> int | None:
        """The number of the one class or label that is judged; None: the mean is, or only a name is known."""
        return self._index

    def for_names(self, names: Sequence[str]) -> Self:
        """The same judge for classes or labels of these names, which its text then says.

        Raises InputError if it judges none of them.
        """
        if self.classes == "mean":
            return self
        numbers = {name: index for index, name in enumerate(names)}
        index = self.classes if isinstance(self.classes, int) else numbers.get(self.classes)
        if index is None or index >= len(names):
            near = did_you_mean(str(self.classes), names)
            raise InputError(
                f"judge.classes={self.classes}: is no class of the data{near}; give mean, one of {', '.join(names)}, "
                f"or a number up to {len(names) - 1}"
            )
        named = replace(self)
        object.__setattr__(named, "_index", index)
        object.__setattr__(named, "_name", names[index])
        return named

    def score(
        self, preds: Tensor, references: Mapping[str, Tensor], valid: Tensor, classes: int, background: int | None
    ) -> Tensor:
        """The judged number for each image; to an erased target, see above, `value` + `RESIDUAL` − the area left.

        Args:
            preds: (B, h, w) int64 predicted classes.
            references: "target" and/or "truth", (B, h, w) int64; without the truth no target counts as erased.
            valid: (B, h, w) bool.
            classes: K.
            background: the class that is not foreground, if any; `NO_LABEL` where classes are subsets of labels.

        Returns:
            (B,) float64.

        Raises:
            InputError: `classes` of the judge is a name that `for_names` has not been told, or no class of the maps.
        """
        counts = metrics.confusion(preds, references[self.reference], valid, classes)
        index = self._judged(classes, background)
        if index is not None:
            counts = metrics.of_class(counts, index, background)
            subsets, background = are_subsets(background), 0
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
        truth = references["truth"]
        if index is not None:
            truth = truth >> index & 1 if subsets else truth == index
        shown = ((truth != background) & valid).flatten(1).sum(1).clamp(min=1)
        erased = aimed.sum(-1) == aimed[:, background]
        return torch.where(erased, self.value + (RESIDUAL - left.double() / shown), overlap)

    def judges_what_is_left(self, target: Tensor, valid: Tensor, background: int | None) -> bool:
        """Whether the target (H, W) counts as erased, so that the score is none of an overlap; for the mean."""
        asks_much = self.metric in ("iou", "dice") and self.reference == "target" and self.op == ">="
        return asks_much and background is not None and not bool(((target != background) & valid).any())

    def _judged(self, classes: int, background: int | None) -> int | None:
        """The number of the class or label that is judged; None: the mean is."""
        if self.classes == "mean":
            return None
        if self._index is None:
            raise InputError(f"judge: classes={self.classes!r} is a name; give its number, or names by for_names")
        count = label_count(classes) if are_subsets(background) else classes
        if self._index >= count:
            raise InputError(f"judge: classes={self.classes} is none of the {count} classes or labels, from 0")
        return self._index

    def holds(self, score: Tensor) -> Tensor:
        """Whether each score is a success; (B,) -> (B,) bool."""
        return score >= self.value if self.op == ">=" else score <= self.value

    @property
    def worst(self) -> float:
        """The score of what must not count: no score is worse, and it is no success."""
        return float("-inf") if self.op == ">=" else float("inf")

    @property
    def limit(self) -> float:
        """The score that none can better."""
        return 0.0 if self.op == "<=" else float("inf") if self.metric == "area" else 1.0

    def better(self, score: Tensor, other: Tensor) -> Tensor:
        """Whether each score is strictly closer to success than the other; (B,), (B,) -> (B,) bool."""
        return torch.gt(score, other) if self.op == ">=" else torch.lt(score, other)
