"""An image ends at its limit of passes or steps, or when its rule says so; the best score needs all steps."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.engine import Criterion, Engine, attack
from benchmark.engine.limits import Limits
from benchmark.errors import InputError
from benchmark.images.quantisation import EIGHT_BIT
from tests.engine.listening_rule import NOWHERE, Listening, ones
from tests.tiny_models import (
    JUDGE,
    QUICK,
    Coordinates,
    SignSteps,
    ThreePasses,
    TwoPixels,
    assert_same,
    mixed_jobs,
    random_images,
    run,
    smooth_network,
)


@pytest.mark.parametrize("last", [1, 3])
def test_a_rule_can_end_an_image(last: int) -> None:
    images = random_images(2)
    result = attack(smooth_network(), images, ones(images), Listening(last=last), max_steps=9, judge=NOWHERE)
    assert result.steps.tolist() == [last] * 2
    assert result.forwards.tolist() == [1 + last + 1] * 2, "the last iterate is judged"


@pytest.mark.parametrize("max_passes", [1, 4, 5, 6, 7, 8, 23, 40])
@pytest.mark.parametrize(
    ("rule", "cost"),
    [(QUICK, 2), (ThreePasses(), 7), (Coordinates(), 1), (SignSteps(), 2)],
    ids=lambda value: str(value),
)
@pytest.mark.parametrize("stop", [True, False])
def test_no_image_gets_more_passes_than_allowed(rule: Rule, cost: int, max_passes: int, stop: bool) -> None:
    network = smooth_network()
    images = run(network, rule, mixed_jobs(network), max_steps=None, max_passes=max_passes, stop=stop)
    for image in images:
        spent = image.forwards + image.backwards
        # Until the first step has been taken, its cost is what the rule declares: 2.
        assert spent <= max_passes or (len(image.trace) <= 1 and spent <= 1 + cost + 2)
        if not image.success and max_passes > 20:
            assert spent + cost > max_passes - 4, "nothing is left over that would have been enough for a step"


@dataclass(frozen=True)
class Downhill(Rule):
    """Comes ever nearer to the clean image from far away, so that each of its iterates is a smaller success."""

    factor: float = 0.9

    def start(self, batch: Batch) -> Tensor:
        return (batch.images + 0.5).clamp(0, 1)

    def step(self, batch: Batch, query: Query) -> Tensor:
        query.gradient(lambda logits, points: logits.flatten(1).sum(1) + points.flatten(1).sum(1))
        return batch.images + self.factor * (batch.iterates - batch.images)


@pytest.mark.parametrize("max_passes", range(20, 34))
@pytest.mark.parametrize("precision", [None, "bf16"])
def test_passes_that_confirm_successes_are_within_the_limit(max_passes: int, precision: object) -> None:
    images = random_images(2) / 2
    judge = Criterion("apsr", "target", ">=", 0.0)
    network = smooth_network() if precision is None else smooth_network().float()
    images = images if precision is None else images.float()
    options = {"max_steps": None, "stop": False, "judge": judge, "keep": "last", "precision": precision}
    result = attack(network, images, ones(images), Downhill(), max_passes=max_passes, **options)
    assert (result.forwards + result.backwards).max() <= max_passes
    assert result.forwards.min() > result.backwards.max() + 3, "several were confirmed"


@pytest.mark.parametrize("sync_every", [1, 4])
def test_a_norm_that_falls_slowly_is_confirmed_now_and_then_and_at_the_end(sync_every: int) -> None:
    images = torch.full((2, 3, 8, 8), 0.2, dtype=torch.float64)
    options = {"max_steps": 50, "stop": False, "judge": NOWHERE, "slots": 1}
    rule = Downhill(0.99)
    # Predicted as class 1 above .5: .2 + .5 · .99⁵⁰ = .5025 still is.
    result = attack(TwoPixels(), images, ones(images), rule, sync_every=sync_every, **options)
    # .99⁵⁰ = .605, and .95⁹ = .63: about ten confirmations in place of fifty, and the last iterate's judgement.
    assert ((result.forwards - result.backwards) < 16).all()
    assert result.success8.all()
    assert result.kept_step.tolist() == [50] * 2
    plain = attack(TwoPixels(), images, ones(images), rule, confirm=False, **options)
    assert torch.equal(plain.adv, result.adv)


def test_schedules_know_how_many_steps_the_passes_allow() -> None:
    assert Limits(10).planned(2) == 10
    assert Limits(None, 104).planned(2) == 50
    assert Limits(None, 104, confirmation=2).planned(2) == 49
    assert Limits(None, 104).planned(7) == 14
    assert Limits(20, 104).planned(2) == 20
    assert Limits(None, 2).planned(2) == 0


def test_an_attack_needs_an_end() -> None:
    with pytest.raises(InputError, match="max_steps and max_passes are both null"):
        attack(smooth_network(), random_images(1), ones(random_images(1)), QUICK, max_steps=None)


def test_the_passes_of_the_first_success_are_remembered() -> None:
    network = smooth_network()
    jobs = mixed_jobs(network)
    stopped, full = (run(network, QUICK, jobs, stop=stop) for stop in (True, False))
    for one, other in zip(stopped, full, strict=True):
        assert one.success_passes == other.success_passes
        if one.success8:
            assert one.success_passes == one.forwards + one.backwards
        else:
            assert one.success_passes is None
    assert any(image.success_passes for image in stopped)
    assert any(image.success_passes is None for image in stopped)


@pytest.mark.parametrize("sync_every", [1, 3])
def test_the_best_score_is_kept_whatever_its_norm(sync_every: int) -> None:
    network = smooth_network()
    jobs = mixed_jobs(network)
    judge = Criterion("iou", "target", ">=", 0.6)
    smallest, best = (
        run(network, QUICK, jobs, judge=judge, stop=False, keep=keep, sync_every=sync_every, max_steps=15)
        for keep in ("best", "score")
    )
    score = [
        [judge.score(i.adv_preds[None], {"target": i.job.labels[None]}, _valid(i), 2, 0).item() for i in images]
        for images in (smallest, best)
    ]
    assert all(b >= a for a, b in zip(*score, strict=True))
    assert any(b > a + 0.1 for a, b in zip(*score, strict=True))
    for image, reached in zip(best, score[1], strict=True):
        traced = [step["iou"] for step in image.trace]
        assert reached >= max(traced) - 1e-12
        assert image.steps == 15
        assert image.forwards == 1 + 15 + 1, "nothing is confirmed on the way"
        assert (image.success_passes is not None) == image.success


def _valid(image) -> Tensor:
    valid = image.job.valid
    return torch.ones_like(image.job.labels, dtype=torch.bool)[None] if valid is None else valid[None]


def test_the_best_score_needs_all_steps() -> None:
    with pytest.raises(InputError, match="keep='score' looks for the best score of all steps; set stop=False"):
        attack(smooth_network(), random_images(1), ones(random_images(1)), QUICK, keep="score")


def test_an_engine_that_rests_now_and_then_gives_the_same() -> None:
    network = smooth_network()
    jobs = mixed_jobs(network)
    expected = {image.job.id: image for image in run(network, QUICK, jobs)}
    found = {}
    with Engine(network, QUICK, quantizer=EIGHT_BIT, judge=JUDGE, max_steps=15, slots=3, sync_every=2) as engine:
        for job in jobs:
            engine.submit(job)
            for image in engine.run(drain=False):
                found[image.job.id] = image
            engine.park()
            assert engine.active == 0
        found |= {image.job.id: image for image in engine.run()}
    assert set(found) == set(expected)
    for name, image in found.items():
        assert_same(image, expected[name])
