"""Updates of the minimal-norm attacks by Adam on a 2x2 image and a linear model, against plain Python."""

from dataclasses import replace

import pytest
import torch

from benchmark.attacks.adam_ball import AdamBall
from benchmark.attacks.adam_penalty import AdamPenalty
from benchmark.attacks.steered_adam import SteeredAdam
from benchmark.engine import attack
from tests.attacks.conformance_cases import Never
from tests.attacks.judged_passes import Judged, judged
from tests.attacks.steered_adam_by_hand import STEPS, ByHand
from tests.attacks.two_by_two import Linear, two_by_two
from tests.tiny_models import random_images, smooth_network

# None of the numbers is a default.
SHARED = {"confidence": 0.3, "left_out": 0.6, "walk_steps": 2, "relaxation": 1.3, "momentum": 0.4}
PENALTY = AdamPenalty(**SHARED, step_size=0.02, step_size_end=0.004, weight=0.7, change=0.3, change_end=0.05)
BALL = AdamBall(**SHARED, gamma=0.2, gamma_end=0.05, step_size=0.5, step_size_end=0.1, largest_step=0.03, radius=0.05)
SIGNS = replace(BALL, update="sign")
REPORTED = {AdamPenalty: "weight", AdamBall: "radius"}

every_rule = pytest.mark.parametrize("rule", [PENALTY, BALL, SIGNS], ids=["penalty", "ball", "ball, signs"])
every_sense = pytest.mark.parametrize("targeted", [True, False])


def assert_updates(rule: AdamPenalty | AdamBall, verdicts: list[bool]) -> ByHand:
    iterates, reports = judged(rule, two_by_two(rule, max_steps=STEPS), verdicts, REPORTED[type(rule)])
    expected = ByHand(rule, verdicts)
    assert reports == pytest.approx(expected.reports, abs=1e-12)
    for found, points in zip(iterates, expected.iterates, strict=True):
        assert found == pytest.approx(points, abs=1e-11)
    return expected


@every_sense
@every_rule
def test_the_walk(rule: AdamPenalty | AdamBall, targeted: bool) -> None:
    walked = assert_updates(replace(rule, targeted=targeted, walk_steps=9), [False] * 3)
    assert walked.updates == 0
    assert walked.points != walked.iterates[0]


@every_sense
@every_rule
@pytest.mark.parametrize(
    "verdicts",
    [
        [False, True, False, False, True, True, False],
        [False, False, False, False, True, False, True],
        [True, False, True, True],
    ],
    ids=["a success on the walk", "one after it", "one at once"],
)
def test_adam_after_successes_and_failures(rule: AdamPenalty | AdamBall, targeted: bool, verdicts: list[bool]) -> None:
    assert_updates(replace(rule, targeted=targeted), verdicts)


@every_rule
def test_the_walk_ends_after_its_steps(rule: AdamPenalty | AdamBall) -> None:
    for limit in (0, 1, 3):
        assert assert_updates(replace(rule, walk_steps=limit), [False] * 5).updates == 5 - limit


@every_rule
def test_pixels_that_the_judge_tolerates_are_left_out(rule: AdamPenalty | AdamBall) -> None:
    verdicts = [False, True, False, False, False]
    followed = [assert_updates(replace(rule, left_out=part), verdicts) for part in (0, 1)]
    assert followed[0].tolerated > 0
    assert followed[0].points != followed[1].points


@every_rule
def test_scaling_the_logits_changes_nothing(rule: SteeredAdam) -> None:
    found = []
    for scale in (1, 1024):
        model = Linear()
        model.weight.data *= scale
        batch = two_by_two(rule, max_steps=STEPS)
        batch.clean_lead = scale * batch.clean_lead
        for success in (False, True, False, True):
            batch.iterates, batch.steps = rule.step(batch, Judged(batch, success, model)), batch.steps + 1
        found.append(batch.iterates)
    assert torch.equal(*found)


@every_rule
def test_an_image_without_a_lead_is_taken_as_it_is(rule: SteeredAdam) -> None:
    found = []
    for lead in (0.0, 1.0):
        batch = two_by_two(rule, max_steps=STEPS)
        batch.clean_lead = torch.tensor([lead], dtype=torch.float64)
        found.append(rule.step(batch, Judged(batch, success=True)))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    "rule", [AdamPenalty(change=9, change_end=9), AdamBall(gamma=0.5, gamma_end=0.5)], ids=lambda r: type(r).__name__
)
def test_what_grows_until_the_first_success_stays_finite_in_float32(rule: SteeredAdam) -> None:
    images, labels = random_images(1, 4).float(), torch.ones(1, 4, 4).long()
    options = {"max_steps": 420, "stop": False, "keep": "last", "judge": Never("apsr")}
    result = attack(smooth_network().float(), images, labels, rule, **options)
    assert result.steps.tolist() == [420]
    assert not result.nonfinite_gradient.any()
    reported = [step[REPORTED[type(rule)]] for step in result.finished[0].trace[rule.walk_steps :]]
    assert max(reported) == pytest.approx({AdamPenalty: 1e9, AdamBall: 1}[type(rule)])


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (AdamPenalty, {"norm": "inf"}, "norm='inf' is not one of 2"),
        (AdamBall, {"norm": 2}, "norm=2 is not one of inf"),
        (AdamPenalty, {"left_out": 1.5}, r"left_out=1.5: must be in \[0, 1\]"),
        (AdamPenalty, {"momentum": 1}, r"momentum=1: must be in \[0, 1\)"),
        (AdamPenalty, {"weight": 0}, r"weight=0: must be in \(0, inf\)"),
        (AdamPenalty, {"confidence": -1}, r"confidence=-1: must be in \[0, inf\)"),
        (AdamBall, {"relaxation": 0}, r"relaxation=0: must be in \(0, inf\)"),
        (AdamBall, {"update": "signs"}, "update='signs' is not one of adam, sign"),
        (AdamBall, {"gamma": 0.6}, r"gamma=0.6: must be in \[0, 0.5\]"),
        (AdamBall, {"radius": 0}, r"radius=0: must be in \(0, inf\)"),
    ],
)
def test_parameters_out_of_range(rule: type[SteeredAdam], options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule(**options)  # type: ignore[arg-type]
