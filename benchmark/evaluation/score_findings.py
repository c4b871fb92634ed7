"""Whether a victim predicts what the data call true."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import metrics
from benchmark.errors import printable
from benchmark.evaluation.victim_findings import VictimFinding, doubt
from benchmark.images.output_window import window_of
from benchmark.label_subsets import membership

_OTHER_CLASS = 0.5  # IoU from which on a class counts as that of another number
_GOOD = 0.9  # an IoU that is not low, even where all of an image is one class
_CLEARLY = 0.1  # by so much the IoU under the other number is larger

OF_LOGITS = ("constant_prediction", "low_clean_iou")
"""Findings that follow where probabilities are read as logits, and say no more."""


@dataclass(frozen=True, kw_only=True)
class CleanScores:
    """Scores of clean predictions against the truth, over all valid pixels of the images that were tried.

    Attributes:
        counts: (K, K) int64 as `metrics.confusion`; None: the images have no masks.
        class_iou: per class; None: the class does not occur.
        iou: the mean over foreground classes as `metrics.iou`; None: the images have no masks.
        constant: the best `iou` of a prediction that is one class everywhere; None as `iou`.
    """

    counts: Tensor | None = None
    class_iou: Sequence[float | None] = ()
    iou: float | None = None
    constant: float | None = None


def clean_scores(
    model: nn.Module, preds: Tensor, items: Sequence[Mapping[str, Any]], *, classes: int, background: int | None
) -> CleanScores:
    """Scores of the predictions (n, h, w) of n items."""
    if not all(isinstance(item.get("mask"), Tensor) for item in items):
        return CleanScores()
    size = max(classes, int(preds.max()) + 1)  # a victim may know further classes
    counts = torch.zeros(size, size, dtype=torch.int64)
    for pred, item in zip(preds, items, strict=True):
        window = window_of(model, *item["mask"].shape)
        truth, valid = window.crop(item["mask"]), item.get("valid")
        counted = (truth >= 0) & (truth < classes)
        counted &= counted if valid is None else window.crop(valid)
        counts += metrics.confusion(pred[None], truth[None], counted[None], size)[0]
    present = counts.sum(1)
    per_class = [None if math.isnan(value) else value for value in metrics.class_iou(counts, background).tolist()]
    per_class = per_class[:classes]
    constant = [torch.zeros_like(counts).index_add(1, torch.tensor([k]), present[:, None]) for k in range(classes)]
    return CleanScores(
        counts=counts,
        class_iou=per_class,
        iou=float(metrics.iou(counts, background)),
        constant=max(float(metrics.iou(table, background)) for table in constant),
    )


def score_findings(
    preds: Tensor,
    scores: CleanScores,
    *,
    validation_iou: float | None,
    victim_classes: Sequence[str],
    data_classes: Sequence[str],
    overlapping: bool = False,
) -> Iterator[VictimFinding]:
    """All findings about what is predicted, (n, h, w), and about the names of its classes or overlapping labels."""
    yield from _class_names(victim_classes, data_classes)
    constant = int(preds.min()) == int(preds.max())
    true = None if scores.counts is None else scores.counts.sum(1).nonzero().flatten().tolist()
    if constant and true != [int(preds.min())]:
        yield doubt(
            "constant_prediction",
            f"the victim predicts class {int(preds.min())} at every pixel of {len(preds)} images",
            "check its weights and its normalisation; an untrained network may do so",
        )
    if scores.counts is None or scores.iou is None or scores.constant is None:
        return
    names = {number: f"{number} ({name})" for number, name in enumerate(data_classes)}
    moved = [] if constant else _moved(scores.counts, overlapping)
    if moved:
        kind = "labels" if overlapping else "classes"
        yield doubt(
            "class_order",
            f"{kind} are numbered otherwise: "
            + ", ".join(f"{names.get(i, i)} of the data is predicted as {j} (IoU {iou:.2f})" for i, j, iou in moved),
            f"return the logits in the order of the data's {kind}",
        )
    images = f"clean IoU is {scores.iou:.3f} on {len(preds)} images"
    if validation_iou is not None and scores.iou < validation_iou / 2:
        what = f"{images}, in validation {validation_iou:.3f} (limit half)"
    elif scores.iou < min(scores.constant, _GOOD) and not constant:
        what = f"{images}, painting one class everywhere has {scores.constant:.3f} (limit)"
    else:
        return
    yield doubt("low_clean_iou", what, "check that data, normalisation and class order are those of the training")


def _moved(counts: Tensor, overlapping: bool) -> list[tuple[int, int, float]]:
    """True class or label, the other one as which it is predicted, and their IoU.

    None unless there are two of them; one label is enough, because another may be too small a part of it.
    """
    table, labelled, predicted = counts.double(), counts.sum(1), counts.sum(0)
    if overlapping:
        has = torch.tensor(membership(len(counts)), dtype=table.dtype)
        table, labelled, predicted = has.T @ table @ has, has.T @ labelled.double(), has.T @ predicted.double()
    iou = table / (labelled[:, None] + predicted[None] - table).clamp(min=1)
    best = iou.max(1)
    found = [
        (i, int(best.indices[i]), float(best.values[i]))
        for i in range(len(iou))
        if float(best.values[i]) >= max(_OTHER_CLASS, float(iou[i, i]) + _CLEARLY)
    ]
    return found if len(found) > 1 or overlapping else []


def _class_names(victim: Sequence[str], data: Sequence[str]) -> Iterator[VictimFinding]:
    """Names that both know, under different numbers."""
    own, others = ([_plain(name) for name in names] for names in (victim, data))
    differing = [
        f"{printable(name)} is class {own.index(key)} of the victim and {i} of the data"
        for i, (name, key) in enumerate(zip(data, others, strict=True))
        if key in own and own.index(key) != i
    ]
    if differing:
        yield doubt("class_names", "; ".join(differing), "return the logits in the order of the data's classes")


def _plain(name: str) -> str:
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())
