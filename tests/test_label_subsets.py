import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark import metrics
from benchmark.label_subsets import MOST_LABELS, NO_LABEL, label_count, membership, subset_names

LABELS = range(1, MOST_LABELS + 1)


def outputs(labels: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(2, labels, 5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bits(maps: Tensor, labels: int) -> Tensor:
    return torch.stack([maps >> label & 1 for label in range(labels)], dim=1)


@pytest.mark.parametrize("labels", LABELS)
def test_the_softmax_is_the_product_of_the_sigmoids(labels: int) -> None:
    z = outputs(labels)
    has = torch.tensor(membership(2**labels)).bool().view(1, -1, labels, 1, 1)
    product = torch.where(has, z[:, None].sigmoid(), 1 - z[:, None].sigmoid()).prod(2)
    assert torch.allclose(metrics.subset_logits(z).softmax(1), product, atol=1e-14)


@pytest.mark.parametrize("labels", LABELS)
def test_the_prediction_is_the_signs_of_the_logits(labels: int) -> None:
    z = outputs(labels)
    z[0, :, 0, 0] = 0  # a label of probability one half is not predicted
    preds = metrics.predicted(metrics.subset_logits(z))
    assert torch.equal(bits(preds, labels), (z > 0).long())


@pytest.mark.parametrize("labels", LABELS)
def test_the_cross_entropy_is_the_sum_of_the_binary_ones_and_so_is_its_gradient(labels: int) -> None:
    z = outputs(labels).requires_grad_()
    truth = torch.randint(0, 2**labels, (2, 5, 4), generator=torch.Generator().manual_seed(1))
    joint = F.cross_entropy(metrics.subset_logits(z), truth, reduction="none")
    single = F.binary_cross_entropy_with_logits(z, bits(truth, labels).double(), reduction="none").sum(1)
    assert torch.allclose(joint, single, atol=1e-13)
    (gradient,) = torch.autograd.grad(joint.sum(), z)
    assert torch.allclose(gradient, z.sigmoid() - bits(truth, labels), atol=1e-14)


def test_one_label_is_the_one_logit_head_to_the_last_bit() -> None:
    z = outputs(1).float()
    assert torch.equal(metrics.subset_logits(z), torch.cat([-z / 2, z / 2], dim=1))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(0, 99))
def test_scores_of_labels_are_those_of_their_own_maps(labels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    preds, truth = torch.randint(0, 2**labels, (2, 3, 4, 5), generator=generator)
    preds, truth = preds & (7 if seed % 2 else 1), truth & (7 if seed % 3 else 2)  # some labels are nowhere
    valid = torch.rand(3, 4, 5, generator=generator) < 0.8
    counts = metrics.confusion(preds, truth, valid, 2**labels)
    tables = [
        metrics.confusion(p, t, valid, 2)
        for p, t in zip(bits(preds, labels).unbind(1), bits(truth, labels).unbind(1), strict=True)
    ]
    for label, table in enumerate(tables):
        assert torch.equal(metrics.of_class(counts, label, NO_LABEL), table)
    for score in (metrics.iou, metrics.dice):
        single = torch.stack([score(table) for table in tables], 1)
        there = torch.stack([table[:, 1:].sum((1, 2)) + table[:, 0, 1] > 0 for table in tables], 1)
        mean = torch.where(there, single, 0).sum(1) / there.sum(1)
        assert score(counts, NO_LABEL).tolist() == pytest.approx(mean.nan_to_num(1).tolist())
    ious = metrics.class_iou(counts, NO_LABEL)
    for label, table in enumerate(tables):
        for image in range(3):
            one, there = ious[image, label].item(), table[image].sum() > table[image, 0, 0]
            assert one == pytest.approx(metrics.iou(table)[image].item()) if there else math.isnan(one)


def test_the_area_is_the_mean_over_the_labels_that_are_there() -> None:
    truth = torch.tensor([[[1, 1, 3, 3]], [[0, 0, 0, 0]]])  # four pixels of label 0, two of label 1
    preds = torch.tensor([[[1, 0, 2, 0]], [[0, 0, 0, 0]]])
    counts = metrics.confusion(preds, truth, None, 8)
    assert metrics.area(counts, NO_LABEL).tolist() == pytest.approx([(1 / 4 + 1 / 2) / 2, 0])


def test_of_one_class_of_an_ordinary_head() -> None:
    preds, truth = torch.tensor([[[0, 1, 2, 2]]]), torch.tensor([[[1, 1, 2, 0]]])
    counts = metrics.confusion(preds, truth, None, 3)
    assert metrics.of_class(counts, 2).tolist() == [[[2, 1], [0, 1]]]
    assert metrics.class_iou(counts).tolist() == [pytest.approx([0, 1 / 2, 1 / 2])]


def test_names_and_numbers_of_subsets() -> None:
    assert subset_names(["disc", "cup"]) == ("no label", "disc", "cup", "disc + cup")
    assert label_count(8) == 3
    for classes in (1, 3, 128):
        with pytest.raises(ValueError, match=f"{classes} classes are not the subsets of 1 to 6 labels"):
            label_count(classes)
