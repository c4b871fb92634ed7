import math

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.apgd import APGD
from benchmark.attacks.base import Batch, Query, Rule
from benchmark.attacks.pgd import PGD
from benchmark.attacks.scale_free import ScaleFree
from benchmark.engine import attack
from tests.attacks.conformance_cases import Never
from tests.attacks.two_by_two import IMAGE, LABELS, PIXELS, Linear, drive, logits_at, softmax, square, two_by_two
from tests.tiny_models import random_images, smooth_network


class Louder(nn.Module):
    """A network whose logits are multiplied."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * self.network(images)


def results(rule: Rule, factor: float, outputs: int = 3) -> Tensor:
    images = random_images(3)
    network = smooth_network(outputs)
    labels = torch.randint(0, max(outputs, 2), (3, 8, 8), generator=torch.Generator().manual_seed(4))
    options = {"max_steps": 12, "stop": False, "keep": "last", "judge": Never("apsr")}
    return attack(Louder(network, factor), images, labels, rule, name="one", **options).adv


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("rule", [PGD(eps=0.05), PGD(norm=2, eps=0.3), APGD(eps=0.05, loss="mask_ce", shrinking=True)])
def test_the_scale_of_logits_changes_nothing(rule: Rule, outputs: int) -> None:
    free = ScaleFree(rule)
    expected = results(free, 1, outputs)
    assert torch.equal(results(free, 2.0**20, outputs), expected)
    assert torch.allclose(results(free, 1e6, outputs), expected, rtol=0, atol=1e-9)
    assert not torch.allclose(results(rule, 1e6, outputs), results(rule, 1, outputs), atol=1e-3), "it is needed"


class Remembers(Rule):
    """Keeps what the engine has told it of the clean images."""

    def step(self, batch: Batch, query: Query) -> Tensor:
        self.lead = batch.clean_lead
        query.forward()
        return (batch.iterates + 0.1).clamp(0, 1)


def test_the_engine_knows_how_far_the_clean_prediction_leads() -> None:
    rule = Remembers()
    valid = torch.tensor([[[True, True], [False, True]]])
    labels = torch.tensor(LABELS).view(1, 2, 2)
    attack(Linear(), square(IMAGE), labels, rule, valid=valid, max_steps=3)
    leads = []
    for p in (0, 1, 3):
        first, second, _ = sorted(logits_at(IMAGE)[p], reverse=True)
        leads.append(first - second)
    assert rule.lead.item() == pytest.approx(sum(leads) / 3, abs=1e-12)


def test_an_update_by_hand() -> None:
    rule = ScaleFree(PGD(norm=2, eps=0.05, step_size=0.02, random_start=False), lead=2)
    batch = two_by_two(rule)
    batch.clean_lead = torch.tensor([0.5], dtype=torch.float64)
    found = drive(rule, Linear(), batch, 1)

    def loss(values: list[float]) -> float:
        pixels = zip(logits_at(values), LABELS, strict=True)
        return -sum(math.log(softmax([4 * score for score in scores])[label]) for scores, label in pixels)

    def shifted(j: int, by: float) -> list[float]:
        return [value + by * (i == j) for i, value in enumerate(IMAGE)]

    gradient = [(loss(shifted(j, 1e-6)) - loss(shifted(j, -1e-6))) / 2e-6 for j in PIXELS]
    expected = [IMAGE[j] - 0.02 * gradient[j] / math.hypot(*gradient) for j in PIXELS]
    assert torch.allclose(found[1], square(expected), rtol=0, atol=1e-8)


def test_a_network_without_a_prediction_is_attacked_as_it_is() -> None:
    class Flat(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), 2, *images.shape[2:], dtype=images.dtype) + 0 * images[:, :1]

    labels = torch.ones(1, 8, 8).long()
    result = attack(Flat(), random_images(1), labels, ScaleFree(PGD()), max_steps=2, stop=False, keep="last")
    assert result.adv.isfinite().all()


def test_a_lead_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"ScaleFree: lead=0: must be in \(0, inf\)"):
        ScaleFree(PGD(), lead=0)
