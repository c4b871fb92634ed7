from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import Batch, Query, Rule, norms
from benchmark.attacks.bisection import Bisection
from benchmark.attacks.projection import direction, project
from benchmark.engine import Criterion, Engine, attack
from benchmark.images.quantisation import EIGHT_BIT
from tests.tiny_models import SignSteps, TwoPixels, mixed_jobs, random_images, smooth_network

EVERYWHERE = Criterion("apsr", "target", ">=", 1)


@dataclass(frozen=True)
class Corner(Rule):
    """Goes to the edge of its budget in one step, towards brighter pixels."""

    eps: float = 0.1
    norm: object = "inf"
    early: bool = False

    def step(self, batch: Batch, query: Query) -> Tensor:
        query.forward()
        if self.early:
            batch.done = batch.steps >= 0
        return project(batch.iterates + 10, batch.images, batch.eps, self.norm)


def grey(*levels: float) -> Tensor:
    return torch.tensor(levels, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()


def search(rule: Rule, images: Tensor, **options: object):
    """TwoPixels predicts class 1 above a mean of .5, so the budget needed from grey g is .5 - g (Linf)."""
    labels = torch.ones(len(images), 4, 4).long()
    given = {"max_steps": 60, "stop": False, "judge": EVERYWHERE, "confirm": False} | options
    return attack(TwoPixels(), images, labels, rule, **given)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(("norm", "unit"), [("inf", 1.0), (2, 48**0.5)])
def test_it_finds_the_smallest_budget_of_each_image(norm, unit: float, early: bool) -> None:
    images = grey(0.498, 0.45, 0.3, 0.0)
    result = search(Bisection(Corner(norm=norm, early=early), steps=2, tolerance=0.05), images)
    needed = (0.5 - images[:, 0, 0, 0]) * unit
    found = norms(result.adv - images, norm)
    assert result.success.all()
    assert (found >= needed).all()
    assert (found <= 1.06 * needed).all()
    assert (result.steps < 60).all(), "ended by itself"


def test_it_ends_when_nothing_helps() -> None:
    labels = torch.zeros(1, 4, 4).long()
    result = attack(
        *(TwoPixels(bias=-1), grey(0.2), labels, Bisection(Corner(), steps=2, tolerance=0.5)),
        **{"max_steps": 90, "stop": False, "judge": EVERYWHERE},
    )
    assert not result.success.any()
    # 4/255 · 4ⁿ ≥ .8 for n = 3 (1.004), and then twice between those: each with 2 updates and one more look. After the
    # second time neighbours are a factor of √2 apart.
    once = [0.016, 0.063, 0.251, 0.8]
    between = [0.031, 0.125, 0.502]
    again = [0.006, 0.011, 0.022, 0.044, 0.089, 0.177, 0.355, 0.71]
    assert [round(step["eps"], 3) for step in result.finished[0].trace[::3]] == once + between + again
    assert result.steps.tolist() == [15 * 3]


@dataclass(frozen=True)
class Narrow(Corner):
    """Goes astray with a budget outside of an interval, as steps that grow with the budget do."""

    low: float = 0.04
    high: float = 0.05

    def step(self, batch: Batch, query: Query) -> Tensor:
        reached = super().step(batch, query)
        fits = ((batch.eps >= self.low) & (batch.eps <= self.high)).view(-1, 1, 1, 1)
        return torch.where(fits, reached, batch.images)


@pytest.mark.parametrize(("low", "high"), [(0.11, 0.13), (0.04, 0.05), (0.005, 0.006)])
def test_after_a_larger_budget_has_failed_smaller_ones_are_tried(low: float, high: float) -> None:
    images = grey(0.5 - 0.9 * low, 0.1)
    result = search(Bisection(Narrow(low=low, high=high), steps=2), images, max_steps=60)
    assert result.success.tolist() == [True, False]
    assert low <= norms(result.adv - images, "inf")[0] <= high


def test_every_pass_of_every_round_is_counted() -> None:
    result = search(Bisection(Corner(), steps=3), grey(0.3))
    assert result.forwards.tolist() == [1 + len(result.finished[0].trace) + 1]
    assert result.success_passes[0] < result.forwards[0]


def test_a_limit_of_passes_holds_for_all_rounds_together() -> None:
    result = search(Bisection(Corner(), steps=3, tolerance=1e-9), grey(0.3, 0.4), max_steps=None, max_passes=30)
    assert (result.forwards + result.backwards).max() <= 30


@dataclass(frozen=True)
class Momentum(Rule):
    """Keeps state, so that a round that begins anew has to begin with fresh state."""

    eps: float = 0.1
    norm: object = "inf"

    def start(self, batch: Batch) -> Tensor:
        batch.state["momentum"] = torch.zeros_like(batch.images)
        return batch.images

    def step(self, batch: Batch, query: Query) -> Tensor:
        def loss(logits: Tensor, points: Tensor) -> Tensor:
            towards = logits.log_softmax(1).gather(1, batch.labels.unsqueeze(1)).squeeze(1)
            return (towards * batch.valid).flatten(1).sum(1)

        _, gradient = query.gradient(loss)
        batch.state["momentum"] = 0.7 * batch.state["momentum"] + direction(gradient, "inf")
        size = batch.eps.view(-1, 1, 1, 1)
        return project(batch.iterates + 0.3 * size * batch.state["momentum"], batch.images, batch.eps, "inf")


def test_rounds_of_one_image_do_not_touch_another() -> None:
    network = smooth_network(2)
    rule = Bisection(Momentum(), steps=4, initial=0.02)

    def run(slots: int, sync_every: int) -> dict[str, tuple]:
        options = {"slots": slots, "sync_every": sync_every, "max_steps": 40, "stop": False, "quantizer": EIGHT_BIT}
        with Engine(network, rule, **options) as engine:
            for job in mixed_jobs(network):
                engine.submit(job)
            return {f.job.id: (f.adv, f.steps, f.forwards, f.success8) for f in engine.run()}

    alone, together = run(1, 1), run(5, 3)
    assert sum(entry[3] for entry in alone.values()) >= 3
    for name, (adv, *numbers) in alone.items():
        assert together[name][1:] == tuple(numbers)
        assert torch.allclose(together[name][0], adv, atol=1e-6)


def test_the_smallest_norm_is_no_larger_than_with_the_first_budget_that_suffices() -> None:
    network, images = smooth_network(2), random_images(3)
    with torch.no_grad():
        labels = 1 - network(images).argmax(1)
    options = {"stop": False, "judge": Criterion("apsr", "target", ">=", 0.1)}
    at_once = attack(network, images, labels, Momentum(eps=0.5), max_steps=20, **options)
    searched = attack(network, images, labels, Bisection(Momentum(), steps=8), max_steps=100, **options)
    assert at_once.success.all()
    assert searched.success.all()
    assert (norms(searched.adv - images, "inf") < norms(at_once.adv - images, "inf")).all()


def test_it_has_the_norm_and_the_sense_of_its_rule() -> None:
    rule = Bisection(SignSteps(eps=0.1))
    assert (rule.norm, rule.targeted, rule.passes_per_step, rule.eps) == (SignSteps(eps=0.1).norm, True, 2, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": ASMA()}, "ASMA has no budget to search"),
        ({"rule": Corner(), "steps": 0}, r"steps=0: must be in \[1, inf\)"),
        ({"rule": Corner(), "growth": 1}, r"growth=1: must be in \(1, inf\)"),
    ],
)
def test_parameters_that_make_no_sense(options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bisection(**options)
