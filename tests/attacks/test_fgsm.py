import math

import pytest
import torch
from torch import Tensor

from benchmark.attacks.fgsm import FGSM
from benchmark.engine import Criterion, attack
from tests.attacks.two_by_two import IMAGE, PIXELS, Linear, Passes, cross_entropy_gradient, square, two_by_two
from tests.tiny_models import TwoPixels, random_images, smooth_network


@pytest.mark.parametrize("targeted", [True, False])
def test_one_step_by_hand(targeted: bool) -> None:
    rule = FGSM(targeted=targeted, eps=0.1)
    batch = two_by_two(rule)
    sense = -1 if targeted else 1
    gradient = cross_entropy_gradient(IMAGE, lambda scores, label: 1.0)
    expected = [IMAGE[j] + sense * math.copysign(0.1, gradient[j]) for j in PIXELS]
    assert torch.allclose(rule.step(batch, Passes(Linear(), batch)), square(expected), rtol=0, atol=1e-12)
    assert batch.done.tolist() == [True]


def test_one_step_in_the_ball_by_hand() -> None:
    rule = FGSM(targeted=False, norm=2, eps=0.1)
    batch = two_by_two(rule)
    gradient = cross_entropy_gradient(IMAGE, lambda scores, label: 1.0)
    length = math.hypot(*gradient)
    expected = [IMAGE[j] + 0.1 * gradient[j] / length for j in PIXELS]
    assert torch.allclose(rule.step(batch, Passes(Linear(), batch)), square(expected), rtol=0, atol=1e-12)


def test_ends_after_one_step_whatever_is_allowed() -> None:
    labels = torch.ones(2, 8, 8, dtype=torch.int64)
    judge = Criterion("apsr", value=1.0)
    result = attack(smooth_network(), random_images(2), labels, FGSM(), max_steps=50, judge=judge)
    assert result.steps.tolist() == [1, 1]
    assert result.backwards.tolist() == [1, 1]
    # The clean image, the step's own, the judgement of what came out.
    assert result.forwards.tolist() == [3, 3]


def two_pixels(first: float, second: float) -> Tensor:
    return torch.tensor([first, second], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()


def test_reaches_what_one_step_can_reach() -> None:
    # Class 1 where the mean over channels is above .5.
    labels = torch.tensor([[[1, 0]]])
    result = attack(TwoPixels(), two_pixels(0.45, 0.55), labels, FGSM(eps=0.08), judge=Criterion("apsr", value=1.0))
    assert result.success8.all()
    assert torch.allclose(result.adv, two_pixels(0.53, 0.47), rtol=0, atol=1e-12)
