"""One contract for every rule: each attack of conf/attack is covered by being there."""

from dataclasses import replace
from functools import cache
from statistics import mean, mode

import pytest
import torch

from benchmark.attacks.base import norms
from benchmark.attacks.noise import Noise
from benchmark.config.groups import names
from benchmark.engine import Finished
from tests.attacks.conformance_cases import (
    MAX_STEPS,
    OUTPUTS,
    Case,
    all_cases,
    filled_void,
    jobs,
    lead,
    never,
    pairs,
    saturated,
    score,
    size,
    unanimous,
)
from tests.attacks.watched_rule import Watched
from tests.tiny_models import assert_same, smooth_network

CASES = all_cases()
PAIRS = pairs(CASES)
ROUNDING = 1e-6

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_head = pytest.mark.parametrize("outputs", OUTPUTS)
every_pair = pytest.mark.parametrize(("case", "outputs"), PAIRS, ids=str)
every_budget = pytest.mark.parametrize("case", [case for case in CASES if case.rule.eps is not None], ids=str)
# Noise knows neither model nor labels; whatever asks the model anything, be it without gradients, has a direction.
every_direction = pytest.mark.parametrize("case", [c for c in CASES if not isinstance(c.rule, Noise)], ids=str)


@cache
def usual(case: Case, outputs: int) -> list[Finished]:
    """The images together, as configured."""
    return case.run(case.network(outputs), jobs(outputs))


def test_every_attack_of_the_configuration_is_a_case() -> None:
    assert {case.attack.family or case.name for case in CASES} == set(names("attack"))
    assert {case.rule.targeted for case in CASES} == {True, False}
    assert {case for case, _ in PAIRS} == set(CASES)
    assert {(case.name, outputs) for case, outputs in PAIRS} == {(case.name, k) for case in CASES for k in OUTPUTS}


def test_the_cases_are_of_every_kind() -> None:
    finished = [image for case, outputs in PAIRS for image in usual(case, outputs)]
    assert not any(image.success_clean for image in finished)
    assert any(image.success8 for image in finished)
    assert any(not image.success for image in finished)
    assert len({image.steps for image in finished}) > 3


@every_pair
def test_an_image_is_treated_as_if_it_were_alone(case: Case, outputs: int) -> None:
    alone = case.run(case.network(outputs), jobs(outputs), slots=1)
    elsewhere = case.run(case.network(outputs), jobs(outputs)[::-1], slots=2, sync_every=3)
    for ours, one, other in zip(usual(case, outputs), alone, elsewhere[::-1], strict=True):
        assert_same(one, ours)
        assert_same(other, ours)


@every_pair
def test_results_are_images_within_their_budget(case: Case, outputs: int) -> None:
    for image in [*usual(case, outputs), *case.run(case.network(outputs), jobs(outputs), stop=False, keep="last")]:
        assert 0 <= image.adv.min() <= image.adv.max() <= 1
        assert size(case, image) <= (float("inf") if case.rule.eps is None else case.rule.eps) + ROUNDING
        assert not image.nonfinite_gradient


@every_budget
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["64", "32"])
def test_each_image_keeps_to_a_budget_of_its_own(case: Case, dtype: torch.dtype) -> None:
    # The largest does not bind all pixels, because there is not so much room between 0 and 1.
    largest = norms(torch.ones(1, 3, 8, 8), case.rule.norm).item()
    budgets = [share * largest for share in (0, 0.05, 0.7)]
    model, images = smooth_network(2).to(dtype), [replace(job, image=job.image.to(dtype)) for job in jobs(2)]
    options = {"stop": False, "keep": "last", "judge": never(case)}
    if dtype == torch.float32:
        # Kernels round otherwise for other numbers of images, which single values may amplify.
        options["slots"] = 1
    given = [replace(job, eps=eps) for job, eps in zip(images, budgets, strict=True)]
    for job, eps, image in zip(images, budgets, case.run(model, given, **options), strict=True):
        assert size(case, image) <= eps + ROUNDING
        (same,) = case.run(model, [job], replace(case.rule, eps=eps), **options)  # type: ignore[type-var]
        assert_same(image, same, tolerance=1e-6 if dtype == torch.float64 else 1e-3)


@every_pair
def test_labels_of_pixels_that_do_not_count_change_nothing(case: Case, outputs: int) -> None:
    ours, model = usual(case, outputs)[1], case.network(outputs)
    assert_same(case.run(model, [filled_void(ours.job, 255)])[0], ours)
    # The engine hands out 0 there, whatever they are; whoever looks is found out by another class.
    assert_same(case.run(model, [ours.job], Watched(case.rule, void=1))[0], ours)


@pytest.mark.parametrize(
    ("case", "outputs", "keep"),
    [*((*pair, "best") for pair in PAIRS), *((case, 2, "score") for case in CASES)],
    ids=str,
)
def test_what_is_kept_is_never_worse_than_the_clean_image(case: Case, outputs: int, keep: str) -> None:
    for image in case.run(case.network(outputs), jobs(outputs), stop=False, keep=keep):
        clean, kept = (score(case, image, preds) for preds in (image.clean_preds, image.adv_preds))
        assert kept >= clean
        assert image.success == (kept >= case.judge.value)


@every_direction
@every_head
def test_targeted_goes_towards_the_labels_and_untargeted_away(case: Case, outputs: int) -> None:
    model = case.network(outputs)
    for job in unanimous(outputs, agreed=not case.rule.targeted)[:2]:
        watched = Watched(case.rule)
        # Random search tries much that is worse before it gets anywhere.
        steps = MAX_STEPS if case.rule.gradients_per_step else 20 * MAX_STEPS
        options = {"max_steps": steps, "stop": False, "keep": "last", "judge": never(case)}
        (image,) = case.run(model, [job], watched, **options)
        visited = [*(points[0] for points in watched.iterates[1:]), image.adv]
        reached, clean = (mean(lead(model, points, job) for points in some) for some in (visited, [job.image]))
        assert reached > clean if case.rule.targeted else reached < clean


@every_case
def test_randomness_comes_from_the_seed_alone(case: Case) -> None:
    again, other = (case.run(case.network(2), jobs(2), seed=seed) for seed in (0, 1))
    for ours, same, different in zip(usual(case, 2), again, other, strict=True):
        assert_same(same, ours, tolerance=0)
        starts_at_random = ours.trace[0]["linf"] > 0
        assert (different.trace == ours.trace) != starts_at_random


@every_case
def test_the_model_is_given_back_as_it_was(case: Case) -> None:
    # While it runs, `Guarded` sees to it that no parameter wants a gradient.
    model = case.network(2).train()
    case.run(model, jobs(2)[:1], max_steps=1)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@every_case
def test_a_step_costs_the_passes_that_are_declared(case: Case) -> None:
    watched = Watched(case.rule)
    finished = case.run(case.network(2), jobs(2), watched, stop=False, judge=never(case))
    assert mode(sum(cost) for cost in watched.costs) == case.rule.passes_per_step
    for image in finished:
        forwards, backwards = (sum(passes) for passes in zip(*watched.costs[: image.steps], strict=True))
        # One pass more for the clean image, and one for the iterate after the last update.
        assert (image.forwards, image.backwards) == (1 + forwards + 1, backwards)


@every_case
@pytest.mark.parametrize("max_passes", [5, 30])
def test_no_image_gets_more_passes_than_allowed(case: Case, max_passes: int) -> None:
    for image in case.run(case.network(2), jobs(2), max_steps=None, max_passes=max_passes, stop=False):
        assert image.forwards + image.backwards <= max_passes


@every_pair
def test_without_a_gradient_nothing_breaks(case: Case, outputs: int) -> None:
    some = jobs(2)[:2]
    none = replace(some[0], id="no pixel counts", valid=torch.zeros_like(some[0].labels, dtype=torch.bool))
    for image in case.run(saturated(outputs), [*some, none], stop=False, keep="last", judge=never(case)):
        assert image.adv.isfinite().all()
        assert not image.nonfinite_gradient
        assert image.zero_gradients == image.backwards
        assert image.steps >= 1
