"""A model with one logit for each of several labels that overlap."""

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import Rule
from benchmark.attacks.cospgd import CosPGD
from benchmark.attacks.pgd import PGD
from benchmark.engine import AttackResult, Criterion, attack
from benchmark.errors import InputError
from tests.tiny_models import random_images, smooth_network

IMAGES = random_images(4)
LABELS = torch.randint(0, 4, (4, 8, 8), generator=torch.Generator().manual_seed(3))


class Spelled(nn.Module):
    """The same two labels as four classes, in full."""

    def __init__(self) -> None:
        super().__init__()
        self.model = smooth_network(2)

    def forward(self, images: Tensor) -> Tensor:
        disc, cup = self.model(images).unbind(1)
        return torch.stack([-disc - cup, disc - cup, cup - disc, disc + cup], dim=1) / 2


def attacked(model: nn.Module, rule: Rule, **options: object) -> AttackResult:
    judge = Criterion("apsr", "target" if rule.targeted else "truth", value=0.9)
    return attack(model, IMAGES, LABELS, rule, judge=judge, max_steps=12, slots=3, **options)


@pytest.mark.parametrize("rule", [PGD(eps=0.2), PGD(eps=0.2, targeted=False), CosPGD(eps=0.2)])
def test_every_rule_sees_the_subsets_as_classes(rule: Rule) -> None:
    found, expected = attacked(smooth_network(2), rule, multilabel=True), attacked(Spelled(), rule)
    assert torch.allclose(found.adv, expected.adv, atol=1e-9)
    assert found.success8.tolist() == expected.success8.tolist()
    assert found.steps.tolist() == expected.steps.tolist()
    assert found.steps.sum() > 0


def test_the_model_itself_may_say_it_and_traces_are_of_labels() -> None:
    model = smooth_network(2)
    model.multilabel = True
    result = attack(model, IMAGES, LABELS, ASMA(tau=0.01, beta=0.05), judge=Criterion(classes=1), max_steps=2)
    for finished in result.finished:
        preds, labels = finished.clean_preds, finished.job.labels
        ious = [
            float(((preds & bit) & (labels & bit) > 0).sum() / ((preds | labels) & bit > 0).sum()) for bit in (1, 2)
        ]
        assert finished.trace[0]["iou"] == pytest.approx(sum(ious) / 2)


def test_too_many_labels_are_refused() -> None:
    with pytest.raises(InputError, match="the model has 7 outputs; at most 6 labels that overlap can be attacked"):
        attacked(smooth_network(7), ASMA(), multilabel=True)
