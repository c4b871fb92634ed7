import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark import metrics
from benchmark.attacks.apgd import APGD
from benchmark.attacks.losses import cross_entropy, dlr, jensen_shannon, margin, soft_iou, valid_mean
from benchmark.label_subsets import NO_LABEL
from tests.attacks.two_by_two import make_batch

LOSSES = {
    "cross_entropy": cross_entropy,
    "margin": margin,
    "dlr": dlr,
    "dlr targeted": lambda logits, labels: dlr(logits, labels, targeted=True),
    "jensen_shannon": jensen_shannon,
}


def pixel(*logits: float) -> Tensor:
    """(1, K, 1, 1)."""
    return torch.tensor(logits, dtype=torch.float64).view(1, -1, 1, 1)


def label(value: int) -> Tensor:
    return torch.tensor([[[value]]])


@pytest.mark.parametrize(
    ("name", "logits", "y", "expected"),
    [
        ("cross_entropy", (0.0, math.log(3)), 1, math.log(4 / 3)),
        ("cross_entropy", (0.0, math.log(3)), 0, math.log(4)),
        ("margin", (1.0, 4.0, 2.0), 1, 2.0),
        ("margin", (1.0, 4.0, 2.0), 0, -3.0),
        ("margin", (-1.0, 2.0), 0, -3.0),
        ("dlr", (1.0, 4.0, 2.0), 1, 2 / 3),
        ("dlr", (1.0, 4.0, 2.0), 0, -3 / 3),
        ("dlr", (-1.0, 2.0), 0, -3.0),
        ("dlr targeted", (-1.0, 2.0), 0, -3.0),
        ("dlr targeted", (1.0, 4.0, 2.0), 2, -2 / 3),
        ("dlr targeted", (1.0, 4.0, 2.0, 0.0), 0, -3 / (4 - 0.5)),
        ("dlr", (1.0, 4.0, 2.0, 0.0), 0, -3 / (4 - 1)),
    ],
)
def test_by_hand(name: str, logits: tuple[float, ...], y: int, expected: float) -> None:
    assert LOSSES[name](pixel(*logits), label(y)).item() == pytest.approx(expected, abs=1e-12)


def test_jensen_shannon_is_its_definition() -> None:
    logits = np.array([0.3, -1.2, 2.0, 0.0])
    p = np.exp(logits) / np.exp(logits).sum()
    for y in range(4):
        one = np.eye(4)[y]
        middle = (p + one) / 2
        expected = (p * np.log(p / middle)).sum() / 2 - np.log(middle[y]) / 2
        assert jensen_shannon(pixel(*logits), label(y)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([0.0, 1.0, -1.0, 2.5, 90.0, -200.0, 1e4]), min_size=2, max_size=5), st.data())
def test_finite_with_finite_gradients_for_any_logits(name: str, logits: list[float], data: st.DataObject) -> None:
    for dtype in (torch.float32, torch.float64):
        leaf = pixel(*logits).to(dtype).requires_grad_()
        y = data.draw(st.integers(0, len(logits) - 1))
        loss = LOSSES[name](leaf, label(y))
        (gradient,) = torch.autograd.grad(loss.sum(), leaf)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()
        if name in ("margin", "dlr", "dlr targeted"):
            others = [value for k, value in enumerate(logits) if k != y]
            assert np.sign(loss.item()) == np.sign(logits[y] - max(others))


def test_means_are_per_image_and_over_valid_pixels() -> None:
    values = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[9.0, 9.0], [9.0, math.inf]]])
    valid = torch.tensor([[[True, False], [True, False]], [[True, True], [True, True]], [[True, True], [True, False]]])
    assert valid_mean(values, valid).tolist() == [2.0, 6.5, 9.0]
    assert valid_mean(values, torch.zeros_like(valid)).tolist() == [0.0, 0.0, 0.0]


def iou_of(logits: Tensor, labels: Tensor, background: int | None) -> Tensor:
    rule = APGD(False, loss="iou", random_start=False)
    batch = make_batch(rule, torch.zeros(len(logits), 1, 2, 2), labels, classes=logits.shape[1])
    return soft_iou(logits, replace(batch, background=background))


def test_soft_iou_of_certain_predictions_is_the_iou_of_maps_to_each_of_which_a_pixel_is_added() -> None:
    labels = torch.tensor([[[0, 0], [1, 1]], [[0, 0], [0, 0]]])
    preds = torch.tensor([[[0, 1], [1, 0]], [[0, 0], [0, 0]]])
    logits = 1e3 * torch.nn.functional.one_hot(preds, 3).movedim(-1, 1).double()
    # Of class 1 the maps share a pixel of three; class 2 is in neither, and both maps of the second image are empty.
    assert iou_of(logits, labels, 0).tolist() == [(2 / 4 + 1) / 2, 1]
    # As the foreground of all, class 0 shares a pixel of three, too.
    assert iou_of(logits, labels, None).tolist() == [(2 / 4 + 2 / 4 + 1) / 3, 1]


def test_soft_iou_of_labels_that_overlap_is_that_of_each_label() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 2, 2, 2, generator=generator, dtype=torch.float64)
    subsets = torch.randint(4, (2, 2, 2), generator=generator)
    expected = torch.zeros(2, dtype=torch.float64)
    for k in range(2):
        p, y = z[:, k].sigmoid(), (subsets >> k & 1).double()
        both = (p * y).sum((1, 2))
        expected += (both + 1) / (p.sum((1, 2)) + y.sum((1, 2)) - both + 1) / 2
    assert torch.allclose(iou_of(metrics.subset_logits(z), subsets, NO_LABEL), expected, rtol=0, atol=1e-12)
