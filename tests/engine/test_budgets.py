"""Each image has its own budget and hears of its own successes."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule, norms
from benchmark.engine import attack
from benchmark.errors import InputError
from tests.engine.listening_rule import NOWHERE, Listening, ones
from tests.tiny_models import QUICK, SignSteps, mixed_jobs, random_images, run, smooth_network


def test_each_image_has_its_own_budget() -> None:
    images = random_images(3) / 2
    eps = torch.tensor([0.015, 0.035, 0.0], dtype=torch.float64)
    options = {"max_steps": 9, "judge": NOWHERE, "keep": "last"}
    result = attack(smooth_network(), images, ones(images), Listening(), eps=eps, **options)
    assert torch.allclose(norms(result.adv - images, "inf"), eps)
    assert [image.trace[0]["eps"] for image in result.finished] == pytest.approx(eps.tolist())
    # Without them it is the rule's own.
    result = attack(smooth_network(), images, ones(images), Listening(eps=0.05), **options)
    assert norms(result.adv - images, "inf").tolist() == pytest.approx([0.05] * 3)
    result = attack(smooth_network(), images, ones(images), Listening(eps=None), **options)
    assert norms(result.adv - images, "inf").tolist() == pytest.approx([0.09] * 3)


def test_leaving_an_images_own_budget_is_a_bug_of_the_rule() -> None:
    images = random_images(1)
    eps = torch.tensor([0.01], dtype=torch.float64)
    # This one looks at its own eps only.
    rule = SignSteps(eps=0.1, random_start=False)
    with pytest.raises(RuntimeError, match=r"SignSteps left .* its budget on image 0"):
        attack(smooth_network(), images, ones(images), rule, eps=eps, judge=NOWHERE, keep="last", max_steps=5)


def test_a_rule_without_a_budget_is_given_none() -> None:
    images = random_images(1)
    with pytest.raises(InputError, match=r"image 0: eps=0\.5, but ASMA has no budget"):
        attack(smooth_network(), images, ones(images), QUICK, eps=torch.tensor([0.5]))


def test_a_negative_budget_is_refused() -> None:
    images = random_images(1)
    with pytest.raises(InputError, match=r"image 0: eps=-1\.0; a budget must not be negative"):
        attack(smooth_network(), images, ones(images), Listening(), eps=torch.tensor([-1.0]))


def test_a_rule_hears_of_confirmed_successes_and_of_the_judge() -> None:
    network = smooth_network()
    (image,) = run(network, SpyQuick(), mixed_jobs(network)[2:3], stop=False, max_steps=12)
    assert image.success8
    judged = [step["judged"] for step in image.trace]
    first = judged.index(1)
    assert 0 < first < len(judged) - 1
    heard = [step["best_norm"] for step in image.trace]
    assert all(value == float("inf") for value in heard[: first + 1])
    assert heard[first + 1] == pytest.approx(image.trace[first]["l2"])


@dataclass(frozen=True)
class SpyQuick(Rule):
    """QUICK, reporting what it hears."""

    def start(self, batch: Batch) -> Tensor:
        return QUICK.start(batch)

    def step(self, batch: Batch, query: Query) -> Tensor:
        following = QUICK.step(batch, query)
        batch.report |= {"best_norm": batch.best_norm, "judged": query.judge(query.forward()).double()}
        return following
