"""What attacks descend or ascend: one number per pixel from logits (B, K, h, w), K ≥ 2, and labels (B, h, w).

All are finite, with finite gradients, for finite logits.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.attacks.base import Batch
from benchmark.label_subsets import are_subsets, membership

# No pixel's logits differ by less and mean it; keeps the ratio finite where all logits are equal.
_SMALLEST_SPREAD = 1e-12


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """−log softmax(z)_y per pixel; (B, h, w)."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """z_y − max_{k≠y} z_k per pixel, positive where the label is predicted; (B, h, w)."""
    others = logits.scatter(1, labels.unsqueeze(1), -torch.inf)
    return at_labels(logits, labels) - others.amax(1)


def dlr(logits: Tensor, labels: Tensor, targeted: bool = False) -> Tensor:
    """Difference of logits ratio per pixel (Croce and Hein, arXiv 2003.01690), positive where y is predicted.

    (z_y − max_{k≠y} z_k) / (z₍₁₎ − z₍₃₎) with the logits in descending order, and z₍₁₎ − (z₍₃₎ + z₍₄₎)/2 below it when
    targeted, so that the loss does not saturate when the target is among the first three. The sign is that of `margin`
    in both cases. Two classes have no third logit: the ratio would be ±1 everywhere, so there it is the margin itself.
    Three have no fourth, and the third serves for both.
    """
    difference = margin(logits, labels)
    classes = logits.shape[1]
    if classes == 2:
        return difference
    ordered = logits.topk(min(classes, 4), dim=1).values
    lower = (ordered[:, 2] + ordered[:, -1]) / 2 if targeted else ordered[:, 2]
    return difference / (ordered[:, 0] - lower).clamp(min=_SMALLEST_SPREAD)


def clipped_misfit(lead: Tensor, targeted: bool) -> Tensor:
    """−lead, how badly a pixel fits its label, but 0 where the pixel is won, so that it does not pull; (B, h, w).

    The lead is that of `margin` or `dlr`. A pixel is won if its label is predicted and to be reached (`targeted`), or
    is not predicted and to be left. Ties pull: argmax need not break them as wanted.
    """
    return (-lead).clamp(min=0) if targeted else (-lead).clamp(max=0)


def cosine(scores: Tensor, labels: Tensor) -> Tensor:
    """Cosine between scores (B, K, h, w) and the labels' one-hot maps, 0 where all scores are 0; (B, h, w)."""
    return at_labels(scores, labels) / torch.linalg.vector_norm(scores, dim=1).clamp(min=1e-8)


def hinge(logits: Tensor, batch: Batch, targeted: bool) -> Tensor:
    """Sum of the margins of the valid pixels that are not fooled yet, 0 where all are; (B,).

    The margin is that of `margin` if the label is to be left, and its negative if the label is to be reached.
    """
    margins = (-1 if targeted else 1) * margin(logits, batch.labels)
    # Ties pull as well: argmax need not break them as wanted.
    return torch.where(batch.valid & (margins >= 0), margins, 0).flatten(1).sum(1)


def jensen_shannon(logits: Tensor, labels: Tensor) -> Tensor:
    """Jensen-Shannon divergence of softmax(z) and the label's one-hot map per pixel, in [0, log 2]; (B, h, w).

    Of p only p_y matters: log 2 + (p_y log p_y − (1 + p_y) log(1 + p_y)) / 2.
    """
    log_p = -cross_entropy(logits, labels)
    p = log_p.exp()
    return math.log(2) + (p * log_p - (1 + p) * p.log1p()) / 2


def soft_iou(logits: Tensor, batch: Batch) -> Tensor:
    """IoU to the labels as `metrics.iou` defines it, with probabilities in place of predictions; (B,) in (0, 1].

    With p the softmax probabilities and y the one-hot labels of the valid pixels, the mean over foreground classes, or
    over labels that overlap, of (Σ p y + 1) / (Σ p + Σ y − Σ p y + 1): Rahman and Wang (ISVC 2016), but that
    the 1 keeps a class that neither map has at an IoU of 1.
    """
    shown = batch.valid.unsqueeze(1)
    predicted = logits.softmax(1) * shown
    labelled = torch.zeros_like(predicted).scatter_(1, batch.labels.unsqueeze(1), 1) * shown
    if are_subsets(batch.background):
        members = torch.tensor(membership(batch.classes), dtype=logits.dtype, device=logits.device)
        predicted, labelled = (torch.einsum("bkhw,kl->blhw", maps, members) for maps in (predicted, labelled))
    elif batch.background is not None:
        foreground = [k for k in range(batch.classes) if k != batch.background]
        predicted, labelled = predicted[:, foreground], labelled[:, foreground]
    both = (predicted * labelled).flatten(2).sum(2)
    either = (predicted + labelled).flatten(2).sum(2) - both
    return ((both + 1) / (either + 1)).mean(1)


def valid_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean of each image's values (B, h, w) over its own valid pixels, 0 where it has none; (B,)."""
    kept = torch.where(valid, values, torch.zeros_like(values))
    return kept.flatten(1).sum(1) / valid.flatten(1).sum(1).clamp(min=1)


def at_labels(logits: Tensor, labels: Tensor) -> Tensor:
    """z_y per pixel; (B, h, w)."""
    return logits.gather(1, labels.unsqueeze(1)).squeeze(1)
