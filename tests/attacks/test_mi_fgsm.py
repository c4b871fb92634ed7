import math

import pytest
import torch

from benchmark.attacks.mi_fgsm import MIFGSM
from benchmark.engine import attack
from tests.attacks.conformance_cases import Never
from tests.attacks.two_by_two import IMAGE, PIXELS, Linear, cross_entropy_gradient, drive, square, two_by_two
from tests.tiny_models import random_images, smooth_network


def even(scores: list[float], label: int) -> float:
    return 1.0


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("norm", [2, "inf"])
def test_updates_by_hand(norm, targeted: bool) -> None:
    eps, steps, momentum = 0.3, 4, 0.7
    rule = MIFGSM(targeted, norm, eps=eps, momentum=momentum)
    batch = two_by_two(rule, max_steps=steps)
    found = drive(rule, Linear(), batch, steps)
    values, held = IMAGE, [0.0] * 4
    for points in found[1:]:
        gradient = [(-1 if targeted else 1) * g for g in cross_entropy_gradient(values, even)]
        size = sum(abs(g) for g in gradient)
        held = [momentum * held[j] + gradient[j] / size for j in PIXELS]
        unit = [math.copysign(1, h) if norm == "inf" else h / math.hypot(*held) for h in held]
        values = [values[j] + eps / steps * unit[j] for j in PIXELS]
        assert all(0 < value < 1 for value in values)
        assert torch.allclose(points, square(values), rtol=0, atol=1e-12)
    assert batch.state["momentum"].flatten().tolist() == pytest.approx(held, abs=1e-12)


def test_without_momentum_it_is_iterated_fgsm() -> None:
    rule = MIFGSM(norm=2, eps=0.1, momentum=0)
    found = drive(rule, Linear(), two_by_two(rule, max_steps=2), 1)
    gradient = cross_entropy_gradient(IMAGE, even)
    expected = [IMAGE[j] - 0.05 * gradient[j] / math.hypot(*gradient) for j in PIXELS]
    assert torch.allclose(found[1], square(expected), rtol=0, atol=1e-12)


def test_it_spends_its_budget_in_as_many_steps_as_there_are() -> None:
    images, labels = random_images(2), torch.ones(2, 8, 8).long()
    options = {"max_steps": 4, "stop": False, "keep": "last", "judge": Never("apsr")}
    result = attack(smooth_network(), images, labels, MIFGSM(eps=0.05), **options)
    assert (result.adv - images).abs().amax((1, 2, 3)).tolist() == pytest.approx([0.05] * 2)


def test_a_momentum_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"MIFGSM: momentum=-1: must be in \[0, inf\)"):
        MIFGSM(momentum=-1)
