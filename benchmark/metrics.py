"""Per-image measurements: pure functions, one number per image, nothing shared between the images of a batch.

Everything about overlap is computed from one K×K table of pixel counts per image, so that every score of a row can be
recomputed from the counts stored in the same row.
"""

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.label_subsets import are_subsets, membership

# float32 holds every integer up to here exactly, so counts by matrix product are exact below it.
_EXACT_FLOAT32_COUNT = 2**24


def subset_logits(outputs: Tensor) -> Tensor:
    """Logits of all subsets of labels, (B, 2^K, H, W), from one logit per label, (B, K, H, W).

    The logit of a subset is Σ ±z_k / 2, + for the labels in it. Its softmax is the product of the labels' sigmoids, its
    cross-entropy the sum of their binary cross-entropies, and its largest logit that of {k: z_k > 0}, where a label
    with z_k = 0 is not predicted. For one label that is (−z/2, +z/2).
    """
    halves = (outputs / 2).split(1, dim=1)
    logits = torch.cat([-halves[0], halves[0]], dim=1)
    for half in halves[1:]:
        logits = torch.cat([logits - half, logits + half], dim=1)
    return logits


def predicted(logits: Tensor) -> Tensor:
    """The class of the largest logit, the first of equals; (B, K, H, W) -> (B, H, W) int64.

    That is `argmax(1)`, which on CPUs takes ten times as long as finding the maximum too, and a hundred times as long
    as comparing two.
    """
    if logits.shape[1] == 2:
        return (logits[:, 1] > logits[:, 0]).long()
    return logits.max(1).indices


def confusion(preds: Tensor, labels: Tensor, valid: Tensor | None, classes: int) -> Tensor:
    """Count pixels by class.

    Args:
        preds: (B, H, W) int, predicted classes in [0, classes).
        labels: (B, H, W) int, reference classes in [0, classes) wherever `valid`.
        valid: (B, H, W) bool, pixels that count; None counts all.
        classes: K.

    Returns:
        (B, K, K) int64; entry [b, i, j] is the number of valid pixels of image b labelled i and predicted j.
    """
    # A product of one-hot maps rather than a histogram: no atomics, no wait for the device.
    dtype = torch.float32 if preds.shape[1:].numel() < _EXACT_FLOAT32_COUNT else torch.float64
    index = torch.arange(classes, device=preds.device).view(1, classes, 1)
    predicted = (preds.flatten(1).unsqueeze(1) == index).to(dtype)
    labelled = labels.flatten(1).unsqueeze(1) == index
    if valid is not None:
        labelled = labelled & valid.flatten(1).unsqueeze(1)
    # Autocast, which the caller may be in, would round the counts.
    with torch.autocast(preds.device.type, enabled=False):
        return torch.bmm(labelled.to(dtype), predicted.transpose(1, 2)).round().to(torch.int64)


def _foreground(counts: Tensor, background: int | None) -> Tensor:
    keep = torch.ones(counts.shape[-1], dtype=torch.bool, device=counts.device)
    if background is not None and not are_subsets(background):
        keep[background] = False
    return keep


@lru_cache(maxsize=8)
def _membership(classes: int, device: torch.device) -> Tensor:
    """(2^K, K) float64, 1 where a subset has a label."""
    with torch.inference_mode(False):
        return torch.tensor(membership(classes), dtype=torch.float64, device=device)


def _sizes(counts: Tensor, background: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels in both maps, labelled, and predicted, each (..., N) float64: of N classes or N labels."""
    counts = counts.double()
    labelled, predicted = counts.sum(-1), counts.sum(-2)
    if not are_subsets(background):
        return counts.diagonal(dim1=-2, dim2=-1), labelled, predicted
    members = _membership(counts.shape[-1], counts.device)
    both = (members.T @ counts @ members).diagonal(dim1=-2, dim2=-1)
    return both, labelled @ members, predicted @ members


def _mean_over_present(overlap: Tensor, size: Tensor, background: int | None) -> Tensor:
    """Mean of overlap / size over the foreground classes with size > 0; 1 where there is none."""
    present = (size > 0) & _foreground(size, background)
    ratio = torch.where(present, overlap / size.clamp(min=1), torch.zeros_like(overlap))
    count = present.sum(-1)
    return torch.where(count > 0, ratio.sum(-1) / count.clamp(min=1), torch.ones_like(ratio[..., 0]))


def iou(counts: Tensor, background: int | None = 0) -> Tensor:
    """Intersection over union: of the foreground for two classes, else the mean over foreground classes.

    Only classes present in either map enter the mean; an empty prediction of an empty reference is 1, never NaN.

    Args:
        counts: (..., K, K) from `confusion`.
        background: the class that is not foreground; None: every class is foreground (macro IoU); `NO_LABEL`: classes
            are subsets of labels that overlap, and the mean is over labels.

    Returns:
        (...) float64 in [0, 1].
    """
    intersection, labelled, predicted = _sizes(counts, background)
    return _mean_over_present(intersection, labelled + predicted - intersection, background)


def dice(counts: Tensor, background: int | None = 0) -> Tensor:
    """Dice coefficient 2·|A∩B| / (|A|+|B|), averaged over classes as in `iou`; (..., K, K) -> (...) in [0, 1]."""
    intersection, labelled, predicted = _sizes(counts, background)
    return _mean_over_present(2 * intersection, labelled + predicted, background)


def class_iou(counts: Tensor, background: int | None = 0) -> Tensor:
    """IoU of each class, the background too, or of each label if classes are subsets; (..., K, K) -> (..., N).

    NaN where a class or label is in neither map.
    """
    intersection, labelled, predicted = _sizes(counts, background)
    return intersection / (labelled + predicted - intersection)


def of_class(counts: Tensor, index: int, background: int | None = 0) -> Tensor:
    """Counts of one class, or label if classes are subsets, against all else; (..., K, K) -> (..., 2, 2) int64."""
    intersection, labelled, predicted = (size[..., index] for size in _sizes(counts, background))
    total = counts.sum((-2, -1))
    neither = total - labelled - predicted + intersection
    table = torch.stack([neither, predicted - intersection, labelled - intersection, intersection], dim=-1)
    return table.long().unflatten(-1, (2, 2))


def pixel_accuracy(counts: Tensor) -> Tensor:
    """Share of valid pixels on the diagonal; (..., K, K) -> (...) in [0, 1], 1 where no pixel is valid."""
    counts = counts.double()
    total = counts.sum((-2, -1))
    hits = counts.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.where(total > 0, hits / total.clamp(min=1), torch.ones_like(total))


def area(counts: Tensor, background: int | None = 0) -> Tensor:
    """Predicted foreground pixels relative to the reference's; (..., K, K) -> (...) in [0, ∞).

    An empty reference counts as one pixel, so that the ratio stays finite. If classes are subsets, it is the mean over
    the labels in either map, 0 where there is none.
    """
    if are_subsets(background):
        _, labelled, predicted = _sizes(counts, background)
        present = (labelled + predicted) > 0
        ratio = predicted / labelled.clamp(min=1)
        return (ratio * present).sum(-1) / present.sum(-1).clamp(min=1)
    foreground = _foreground(counts, background).double()
    counts = counts.double()
    return (counts.sum(-2) @ foreground) / (counts.sum(-1) @ foreground).clamp(min=1)


def l0(delta: Tensor) -> Tensor:
    """Number of pixels changed in any channel; (B, C, H, W) -> (B,)."""
    return (delta != 0).any(1).flatten(1).sum(1)


def l1(delta: Tensor) -> Tensor:
    """Sum of absolute changes; (B, C, H, W) -> (B,)."""
    return delta.flatten(1).abs().sum(1)


def l2(delta: Tensor) -> Tensor:
    """Euclidean norm of the flattened change; (B, C, H, W) -> (B,)."""
    return delta.flatten(1).norm(dim=1)


def linf(delta: Tensor) -> Tensor:
    """Largest absolute change, NaN where one of them is; (B, ...) -> (B,)."""
    return delta.flatten(1).abs().amax(1)


def is_finite(values: Tensor) -> Tensor:
    """Whether all values of an image are finite; (B, ...) -> (B,) bool."""
    # The largest is NaN where one of them is.
    return linf(values).isfinite()


def rms(delta: Tensor) -> Tensor:
    """Root mean square change, l2 / √(C·H·W), comparable over image sizes; (B, C, H, W) -> (B,)."""
    return l2(delta) / math.sqrt(delta[0].numel())


def psnr(delta: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a data range of 1, −20·log10(rms); infinite for no change. -> (B,)."""
    return -20 * torch.log10(rms(delta))


def ssim(images: Tensor, adv: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004; 11×11 Gaussian window, σ 1.5) for a data range of 1.

    Args:
        images, adv: (B, C, H, W) in [0, 1], at least 6 pixels on each side.

    Returns:
        (B,), at most 1.
    """
    # One image at a time: how a sum is rounded depends on the memory's layout, and a row must not on its neighbours.
    return torch.cat([_ssim(*pair) for pair in zip(images.split(1), adv.split(1), strict=True)])


def _ssim(images: Tensor, adv: Tensor) -> Tensor:
    """Equal to torchmetrics', which does not take the window apart into rows and columns and is far slower."""
    maps = torch.cat([images, adv, images.square(), adv.square(), images * adv])
    mean, adv_mean, square, adv_square, product = _blurred(maps).chunk(5)
    variance, adv_variance = ((square - mean**2).clamp(min=0), (adv_square - adv_mean**2).clamp(min=0))
    covariance = product - mean * adv_mean
    luminance = (2 * mean * adv_mean + 0.01**2) / (mean**2 + adv_mean**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variance + adv_variance + 0.03**2)
    return (luminance * structure).flatten(1).mean(1)


def _blurred(maps: Tensor) -> Tensor:
    """Weighted means under an 11×11 Gaussian window, σ 1.5, mirrored at the edges; (N, C, H, W) of 6 pixels or more."""
    window = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    weights = (window / window.sum()).tolist()
    maps = F.pad(maps, [5] * 4, mode="reflect")
    for dim in (-1, -2):
        places = maps.shape[dim] - 10
        maps = torch.stack([w * maps.narrow(dim, k, places) for k, w in enumerate(weights)]).sum(0)
    return maps
