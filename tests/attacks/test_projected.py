import pytest
import torch

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import norms
from benchmark.attacks.projected import Projected
from benchmark.engine import attack
from tests.tiny_models import random_images, smooth_network

STRONG = ASMA(tau=1e-2, beta=1e-1)


@pytest.mark.parametrize(("norm", "eps"), [("inf", 0.02), (2, 0.3)])
def test_the_rule_stays_within_the_budget_and_otherwise_does_the_same(norm, eps: float) -> None:
    network, images = smooth_network(), random_images(3)
    labels = torch.ones(3, 8, 8).long()
    options = {"max_steps": 10, "stop": False, "keep": "last"}
    free = attack(network, images, labels, STRONG, **options)
    held = attack(network, images, labels, Projected(STRONG, eps, norm), **options)
    assert (norms(free.adv - images, norm) > eps).all()
    assert norms(held.adv - images, norm).tolist() == pytest.approx([eps] * 3)
    assert held.forwards.tolist() == free.forwards.tolist()
    assert "multiplier" in held.finished[0].trace[0]
    roomy = attack(network, images, labels, Projected(STRONG, 100, norm), **options)
    assert torch.equal(roomy.adv, free.adv)


def test_each_image_has_its_own_budget() -> None:
    eps = torch.tensor([0.1, 0.2], dtype=torch.float64)
    images = random_images(2)
    labels = torch.ones(2, 8, 8).long()
    result = attack(smooth_network(), images, labels, Projected(STRONG), max_steps=10, keep="last", stop=False, eps=eps)
    assert norms(result.adv - images, "inf").tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"eps": -1}, r"eps=-1: must be in \[0, inf\]"), ({"norm": 1}, "norm=1 is not one of 2, inf")],
)
def test_parameters_that_make_no_sense(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Projected(STRONG, **options)
