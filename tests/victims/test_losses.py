import math

import pytest
import torch

from benchmark.victims.losses import SegmentationLoss


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_void_pixels_change_neither_loss_nor_gradient(outputs: int) -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, outputs, 6, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(max(outputs, 2), (2, 6, 5))
    valid = torch.rand(2, 6, 5) > 0.4
    other = torch.where(valid, labels, torch.full_like(labels, 255))
    loss = SegmentationLoss(outputs)
    values, gradients = [], []
    for truth in (labels, other):
        value = loss(logits, truth, valid)
        (gradient,) = torch.autograd.grad(value, logits)
        values.append(value)
        gradients.append(gradient)
    assert torch.equal(values[0], values[1])
    assert torch.equal(gradients[0], gradients[1])
    void = ~valid[:, None].expand_as(logits)
    assert gradients[0][void].eq(0).all()
    assert gradients[0][~void].ne(0).all()


@pytest.mark.parametrize("outputs", [1, 2])
def test_loss_of_undecided_logits_has_its_closed_form(outputs: int) -> None:
    # Every probability is 1/2: cross-entropy ln 2; half the N pixels in each class: Dice 2·(N/4) / (N/2 + N/2) = 1/2.
    labels = torch.tensor([[[0, 0], [1, 1]]])
    value = SegmentationLoss(outputs)(torch.zeros(1, outputs, 2, 2), labels, torch.ones(1, 2, 2, dtype=torch.bool))
    assert value.item() == pytest.approx(math.log(2) + 0.5, abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 2])
def test_sigmoid_and_softmax_heads_agree(outputs: int) -> None:
    torch.manual_seed(0)
    z = torch.randn(1, 1, 4, 4, dtype=torch.float64)
    labels = torch.ones(1, 4, 4, dtype=torch.int64)
    valid = torch.ones(1, 4, 4, dtype=torch.bool)
    logits = z if outputs == 1 else torch.cat([-z / 2, z / 2], 1)
    cross_entropy = torch.nn.functional.softplus(-z).mean()
    p = z.sigmoid()
    dice = 1 - 2 * p.sum() / (p.sum() + 16)
    # The softmax Dice is the mean over two classes, of which the absent one counts 0.
    expected = cross_entropy + dice / outputs
    assert SegmentationLoss(outputs)(logits, labels, valid).item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("outputs", [1, 2])
def test_batch_without_valid_pixels_is_zero_with_zero_gradient(outputs: int) -> None:
    logits = torch.randn(1, outputs, 4, 4, requires_grad=True)
    value = SegmentationLoss(outputs)(logits, torch.zeros(1, 4, 4).long(), torch.zeros(1, 4, 4, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.eq(0).all()


def test_labels_that_overlap_have_the_mean_of_their_own_losses() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 6, 5, generator=generator)
    labels, valid = torch.randint(0, 4, (2, 6, 5), generator=generator), torch.rand(2, 6, 5, generator=generator) < 0.8
    single = [SegmentationLoss(1)(logits[:, [label]], labels >> label & 1, valid) for label in range(2)]
    both = SegmentationLoss(2, multilabel=True)(logits, labels.masked_fill(~valid, 99), valid)
    assert both.item() == pytest.approx(sum(one.item() for one in single) / 2)
