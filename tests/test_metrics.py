import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional.classification import multiclass_jaccard_index
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from benchmark import metrics


def maps(classes: int, seed: int = 0, count: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    preds, labels = torch.randint(0, classes, (2, count, 5, 7), generator=generator)
    return preds, labels, torch.rand(count, 5, 7, generator=generator) < 0.7


def sets(classes: int, preds: Tensor, labels: Tensor, valid: Tensor) -> list[tuple[set, set]]:
    """For each class, where it is predicted and where it is labelled: an image's maps as sets of pixels."""
    where = [
        [{*zip(*np.nonzero(((m == k) & valid).numpy()), strict=True)} for m in (preds, labels)] for k in range(classes)
    ]
    return [(a, b) for a, b in where]


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(0, 999), st.sampled_from([0, 1, None]))
def test_scores_are_those_of_sets_of_pixels(classes: int, seed: int, background: int | None) -> None:
    preds, labels, valid = maps(classes, seed)
    labels = labels.masked_fill(~valid, 255)
    counts = metrics.confusion(preds, labels, valid, classes)
    for i in range(len(preds)):
        pairs = sets(classes, preds[i], labels[i], valid[i])
        present = [(a, b) for k, (a, b) in enumerate(pairs) if k != background and a | b]
        iou = [len(a & b) / len(a | b) for a, b in present]
        dice = [2 * len(a & b) / (len(a) + len(b)) for a, b in present]
        assert metrics.iou(counts, background)[i].item() == pytest.approx(np.mean(iou))
        assert metrics.dice(counts, background)[i].item() == pytest.approx(np.mean(dice))
        right = sum(len(a & b) for a, b in pairs)
        assert metrics.pixel_accuracy(counts)[i].item() == pytest.approx(right / int(valid[i].sum()))
        predicted, labelled = (sum(len(p[j]) for k, p in enumerate(pairs) if k != background) for j in (0, 1))
        assert metrics.area(counts, background)[i].item() == pytest.approx(predicted / max(labelled, 1))
        table = [[len(pairs[k][1] & pairs[m][0]) for m in range(classes)] for k in range(classes)]
        assert counts[i].tolist() == table


def test_macro_iou_is_torchmetrics() -> None:
    preds, labels, _ = maps(3)
    counts = metrics.confusion(preds, labels, None, 3)
    expected = [
        multiclass_jaccard_index(p, t, num_classes=3, average="macro") for p, t in zip(preds, labels, strict=True)
    ]
    assert metrics.iou(counts, None).tolist() == pytest.approx(torch.stack(expected).tolist())


def test_absent_classes_do_not_enter_the_mean() -> None:
    preds = torch.tensor([[[0, 1, 1, 0]]])
    labels = torch.tensor([[[0, 1, 0, 0]]])
    for classes in (2, 3, 9):
        assert metrics.iou(metrics.confusion(preds, labels, None, classes)).item() == 0.5
        assert metrics.dice(metrics.confusion(preds, labels, None, classes)).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize("background", [0, None])
@pytest.mark.parametrize(("pred", "label"), [(0, 0), (1, 0), (0, 1)])
def test_empty_maps_are_never_nan(pred: int, label: int, background: int | None) -> None:
    preds, labels = (torch.full((1, 3, 3), value) for value in (pred, label))
    counts = metrics.confusion(preds, labels, None, 2)
    assert metrics.iou(counts, background).item() == float(pred == label)
    assert metrics.dice(counts, background).item() == float(pred == label)
    assert metrics.area(counts, 0).item() == {(0, 0): 0, (1, 0): 9, (0, 1): 0}[pred, label]


def test_no_valid_pixel_is_full_agreement() -> None:
    preds, labels, _ = maps(3)
    counts = metrics.confusion(preds, labels, torch.zeros(4, 5, 7, dtype=torch.bool), 3)
    assert counts.sum() == 0
    for score in (metrics.iou(counts), metrics.dice(counts), metrics.pixel_accuracy(counts)):
        assert score.tolist() == [1] * 4


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_counts_are_exact_for_large_images_and_any_integers(dtype: torch.dtype) -> None:
    preds = torch.ones(1, 1500, 1501, dtype=dtype)
    labels = preds.clone()
    labels[0, 0, 0] = 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        counts = metrics.confusion(preds, labels, None, 2)
    assert counts.tolist() == [[[0, 1], [0, 1500 * 1501 - 1]]]


def test_norms_by_hand() -> None:
    delta = torch.zeros(2, 3, 2, 2, dtype=torch.float64)
    delta[0, :, 0, 0] = torch.tensor([0.3, 0.0, -0.4])
    delta[0, 1, 1, 1] = 1.2
    assert metrics.l0(delta).tolist() == [2, 0]
    assert metrics.l1(delta).tolist() == pytest.approx([1.9, 0])
    assert metrics.l2(delta).tolist() == pytest.approx([1.3, 0])
    assert metrics.linf(delta).tolist() == pytest.approx([1.2, 0])
    assert metrics.rms(delta).tolist() == pytest.approx([1.3 / math.sqrt(12), 0])
    assert metrics.psnr(delta)[1].item() == math.inf


def test_psnr_is_torchmetrics() -> None:
    images, adv = torch.rand(2, 3, 3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = [peak_signal_noise_ratio(b, a, data_range=1.0).item() for a, b in zip(images, adv, strict=True)]
    assert metrics.psnr(adv - images).tolist() == pytest.approx(expected)
    uniform = torch.full((1, 3, 4, 4), 0.1, dtype=torch.float64)
    assert metrics.psnr(uniform).item() == pytest.approx(20)


@pytest.mark.parametrize("size", [6, 16])
def test_ssim_is_torchmetrics_image_by_image(size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, size, size, generator=generator, dtype=torch.float64)
    adv = (images + 0.2 * torch.rand(images.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    adv[2] = images[2]
    found = metrics.ssim(images, adv)
    expected = [
        structural_similarity_index_measure(b[None], a[None], data_range=1.0).item()  # type: ignore[union-attr]
        for a, b in zip(images, adv, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected)
    assert found[2].item() == pytest.approx(1)
    assert found[0].item() < 0.999
    assert metrics.ssim(images.flip(0), adv.flip(0)).flip(0).tolist() == found.tolist()
    assert metrics.ssim(images[:1], adv[:1]).tolist() == found[:1].tolist()
