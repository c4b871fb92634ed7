import itertools
import math

import pytest
import torch
from torch import Tensor

from benchmark.attacks.asma import ASMA
from benchmark.attacks.eot import EOT
from benchmark.attacks.pgd import PGD
from benchmark.attacks.square import Square
from benchmark.engine import attack
from tests.attacks.conformance_cases import Never
from tests.attacks.two_by_two import (
    IMAGE,
    LABELS,
    PIXELS,
    WEIGHTS,
    Linear,
    drive,
    logits_at,
    softmax,
    square,
    two_by_two,
)
from tests.tiny_models import random_images, smooth_network

FACTORS = (0.5, 2.0, -1.0)


class Turned(torch.nn.Module):
    """Linear, whose logits are multiplied by the next one of the factors at each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.factors = Linear(), itertools.cycle(FACTORS)

    def forward(self, images: Tensor) -> Tensor:
        return next(self.factors) * self.linear(images)


def mean_gradient(values: list[float]) -> list[float]:
    """Of the mean cross-entropy, over pixels and factors."""
    gradient = [0.0] * 4
    for factor, p in itertools.product(FACTORS, PIXELS):
        shares = softmax([factor * score for score in logits_at(values)[p]])
        for k, j in itertools.product(range(3), PIXELS):
            pull = factor * (shares[k] - (k == LABELS[p])) / (4 * len(FACTORS))
            gradient[j] += pull * WEIGHTS[k][p][j]
    return gradient


def test_two_updates_by_hand() -> None:
    rule = EOT(PGD(norm=2, eps=0.1, step_size=0.02, random_start=False), draws=3)
    found = drive(rule, Turned(), two_by_two(rule), 2)
    values = IMAGE
    for points in found[1:]:
        gradient = mean_gradient(values)
        values = [values[j] - 0.02 * gradient[j] / math.hypot(*gradient) for j in PIXELS]
        assert torch.allclose(points, square(values), rtol=0, atol=1e-12)


def test_a_rule_without_gradients_is_told_the_mean_of_the_logits() -> None:
    rule = EOT(Square(eps=0.1), draws=3)
    batch = two_by_two(rule)
    drive(rule, Turned(), batch, 1)
    # The stripes, at which the logits are half of Linear's on average.
    values = batch.state["best"].flatten().tolist()
    missed = 0.0
    for scores, label in zip(logits_at(values), LABELS, strict=True):
        lead = scores[label] - max(score for k, score in enumerate(scores) if k != label)
        missed += max(-lead / 2, 0) / 4
    assert batch.state["best_loss"].item() == pytest.approx(missed, abs=1e-12)


def test_each_draw_is_paid_for() -> None:
    rule = EOT(PGD(eps=0.1), draws=4)
    assert (rule.passes_per_step, rule.gradients_per_step, rule.eps, rule.norm) == (8, 4, 0.1, "inf")
    options = {"stop": False, "judge": Never("apsr")}
    images, labels = random_images(2), torch.ones(2, 8, 8).long()
    result = attack(smooth_network(), images, labels, rule, max_steps=3, **options)
    assert result.forwards.tolist() == [1 + 3 * 4 + 1] * 2
    assert result.backwards.tolist() == [3 * 4] * 2
    limited = attack(smooth_network(), images, labels, rule, max_steps=None, max_passes=40, **options)
    assert (limited.forwards + limited.backwards <= 40).all()
    # The same results as without, where the model does not draw.
    alone = attack(smooth_network(), images, labels, rule.rule, max_steps=3, name="EOT", **options)
    assert torch.allclose(result.adv, alone.adv, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EOT(PGD(), draws=0), r"EOT: draws=0: must be in \[1, inf\)"),
        (lambda: EOT(ASMA(), eps=0.1), "EOT: eps=0.1, but ASMA has no budget"),
        (lambda: EOT(PGD(), eps=-1), r"EOT: eps=-1: must be in \[0, inf\]"),
    ],
)
def test_parameters_that_make_no_sense(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
