import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import Batch
from benchmark.attacks.padam import PAdam
from tests.attacks.two_by_two import (
    IMAGE,
    LABELS,
    PIXELS,
    WEIGHTS,
    Linear,
    Passes,
    cross_entropy_gradient,
    drive,
    logits_at,
    make_batch,
    square,
    two_by_two,
)
from tests.tiny_models import random_images


def cosine(scores: list[float], label: int) -> float:
    return scores[label] / math.sqrt(sum(score * score for score in scores))


def cosine_gradient(values: list[float], counted: tuple[int, ...]) -> list[float]:
    """Of the mean of 1 - cosine(logits, one-hot label), by the quotient rule."""
    gradient = [0.0] * 4
    for p in counted:
        scores, label = logits_at(values)[p], LABELS[p]
        length = math.sqrt(sum(score * score for score in scores))
        for k, score in enumerate(scores):
            slope = ((k == label) * length - scores[label] * score / length) / length**2
            for j in PIXELS:
                gradient[j] -= slope * WEIGHTS[k][p][j] / len(counted)
    return gradient


def ones_counted(values: list[float], counted: tuple[int, ...]) -> list[float]:
    return cross_entropy_gradient(values, lambda scores, label: 1.0, counted)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("counted", [(0, 1, 2, 3), (0, 2, 3)])
@pytest.mark.parametrize("loss", ["ce", "cos"])
def test_loss_and_two_updates_by_hand(loss: str, targeted: bool, counted: tuple[int, ...]) -> None:
    rule = PAdam(targeted, eps=0.2, step_size=0.01, loss=loss)  # type: ignore[arg-type]
    batch = two_by_two(rule, counted)
    batch.iterates = batch.images
    sense = -1 if targeted else 1
    query = Passes(Linear(), batch)
    rule.step(replace(batch, state=dict(batch.state)), query)
    expected = 0.0
    for p in counted:
        scores = logits_at(IMAGE)[p]
        chance = math.exp(scores[LABELS[p]]) / sum(math.exp(score) for score in scores)
        expected += (-math.log(chance) if loss == "ce" else 1 - cosine(scores, LABELS[p])) / len(counted)
    assert query.losses.item() == pytest.approx(sense * expected, abs=1e-12)

    found = drive(rule, Linear(), batch, 2)
    slope = ones_counted if loss == "ce" else cosine_gradient
    first = [sense * g for g in slope(IMAGE, counted)]
    # Without bias both averages are the gradient itself, so the first step has full length wherever g is not tiny.
    values = [IMAGE[j] + 0.01 * first[j] / (abs(first[j]) + 1e-8) for j in PIXELS]
    assert torch.allclose(found[1], square(values), rtol=0, atol=1e-12)
    second = [sense * g for g in slope(values, counted)]
    for j in PIXELS:
        mean = (0.09 * first[j] + 0.1 * second[j]) / (1 - 0.81)
        most = max(0.001 * first[j] ** 2, 0.000999 * first[j] ** 2 + 0.001 * second[j] ** 2)
        values[j] += 0.01 * mean / (math.sqrt(most / (1 - 0.998001)) + 1e-8)
    assert torch.allclose(found[2], square(values), rtol=0, atol=1e-12)


class Given:
    """A query that gives gradients chosen beforehand."""

    def __init__(self, gradient: Tensor) -> None:
        self.chosen = gradient

    def gradient(self, loss: object, points: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return torch.empty(0), self.chosen


def test_it_is_adam_with_amsgrad_as_torch_has_it() -> None:
    rule = PAdam(eps=0.5, step_size=0.003)
    images = torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64)
    batch = make_batch(rule, images, torch.zeros(2, 4, 4, dtype=torch.int64), classes=2)
    batch.iterates = images
    reference = images.clone().requires_grad_()
    adam = torch.optim.Adam([reference], lr=0.003, amsgrad=True, maximize=True)
    # Growing gradients, then some a thousand times smaller, where the largest average differs from the latest.
    for scale in (1e-3, 1e-2, 1.0, 1e-3, 1e-5, 1e-7, 1e-8):
        gradient = scale * (random_images(2, 4, seed=int(1 / scale) % 97) - 0.5)
        reference.grad = gradient
        adam.step()
        batch.iterates = rule.step(batch, Given(gradient))  # type: ignore[arg-type]
        batch.steps = batch.steps + 1
        assert torch.allclose(batch.iterates, reference.detach(), rtol=0, atol=1e-12)


def _labelled(labels: Tensor) -> Batch:
    return make_batch(PAdam(), torch.zeros(1, 3, 2, 2), labels, classes=3)


def test_the_cosine_of_a_one_logit_head_is_that_of_its_probabilities() -> None:
    z = torch.tensor([0.3, -2.0, 0.0, 40.0], dtype=torch.float64).view(1, 1, 2, 2)
    logits = torch.cat([-z / 2, z / 2], 1).requires_grad_()
    labels = torch.tensor([[[0, 1], [1, 0]]])
    found = PAdam(loss="cos").misfit(logits, _labelled(labels))
    p = z.sigmoid()[0, 0]
    chosen = torch.where(labels[0] == 1, p, 1 - p)
    assert torch.allclose(found[0], 1 - chosen / (p.square() + (1 - p).square()).sqrt())
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.isfinite().all()
    assert (gradient[0, :, 0] != 0).all()


def test_logits_without_an_angle_are_finite() -> None:
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    loss = PAdam(loss="cos").misfit(logits, _labelled(torch.zeros(1, 2, 2, dtype=torch.int64)))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()


def test_the_papers_learning_rate_at_the_papers_budget() -> None:
    rule = PAdam()
    assert rule.eps == 8 / 255
    assert rule.relative_step * rule.eps == pytest.approx(2 / 255)
