"""From predictions and perturbations to the measured columns of a row: the one place where they are computed."""

import math
from typing import Any

from torch import Tensor

from benchmark import metrics
from benchmark.label_subsets import are_subsets, membership


def score_prediction(
    preds: Tensor,
    truth: Tensor,
    target: Tensor,
    valid: Tensor,
    *,
    classes: int,
    background: int | None,
    target_valid: Tensor | None = None,
) -> dict[str, Any]:
    """How a prediction compares with truth and target.

    Args:
        preds, truth, target: (H, W) int64.
        valid: (H, W) bool, the pixels that count for the truth.
        classes, background: of the data; `NO_LABEL` where classes are subsets of labels.
        target_valid: (H, W) bool, the pixels that count for the target; None: the same as `valid`.

    Returns:
        The columns `iou_target` to `confusion_truth` and `class_iou_*` of `runs.schema` without their prefix.
    """
    to_truth = metrics.confusion(preds[None], truth[None], valid[None], classes)[0]
    target_valid = valid if target_valid is None else target_valid
    to_target = metrics.confusion(preds[None], target[None], target_valid[None], classes)[0]
    return {
        "iou_target": metrics.iou(to_target, background).item(),
        "iou_truth": metrics.iou(to_truth, background).item(),
        "pixel_acc_target": metrics.pixel_accuracy(to_target).item(),
        "pixel_acc_truth": metrics.pixel_accuracy(to_truth).item(),
        "dice_truth": metrics.dice(to_truth, background).item(),
        "confusion_truth": to_truth.flatten().tolist(),
        "class_iou_target": class_scores(to_target, background),
        "class_iou_truth": class_scores(to_truth, background),
    }


def class_scores(counts: Tensor, background: int | None) -> list[float | None]:
    """IoU of each class, or label if classes are subsets, from counts (K, K); None where neither map has it."""
    return [None if math.isnan(value) else value for value in metrics.class_iou(counts, background).tolist()]


def score_target(
    truth: Tensor, target: Tensor, target_valid: Tensor, classes: int, background: int | None
) -> dict[str, Any]:
    """How large the target is and how close to the truth: the columns `target_pixels`, `target_class_pixels` and
    `iou_target_truth`.

    All maps (H, W); `target_valid`, bool, marks the pixels that count for the target.
    """
    counts = metrics.confusion(truth[None], target[None], target_valid[None], classes)[0]
    labelled = counts.sum(1)
    pixels = labelled.sum() if background is None else labelled.sum() - labelled[background]
    of_each = labelled @ labelled.new_tensor(membership(classes)) if are_subsets(background) else labelled
    sizes = {"target_pixels": int(pixels), "target_class_pixels": of_each.tolist()}
    return sizes | {"iou_target_truth": metrics.iou(counts, background).item()}


def score_perturbation(image: Tensor, adv: Tensor) -> dict[str, Any]:
    """Norms of adv − image and similarity, in float64; both (C, H, W) in [0, 1]."""
    return score_norms(image, adv) | {"ssim": metrics.ssim(image.double()[None], adv.double()[None]).item()}


def score_norms(image: Tensor, adv: Tensor) -> dict[str, Any]:
    """Norms of adv − image in float64; both (C, H, W) in [0, 1]."""
    delta = adv.double()[None] - image.double()[None]
    return {
        "l0": metrics.l0(delta).double().item(),
        "l1": metrics.l1(delta).item(),
        "l2": metrics.l2(delta).item(),
        "linf": metrics.linf(delta).item(),
        "rms": metrics.rms(delta).item(),
        "psnr": metrics.psnr(delta).item(),
    }
