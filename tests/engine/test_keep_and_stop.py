"""What is kept of an attacked image, what counts as success, and what is refused as a result."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.engine import Criterion, Finished, attack
from benchmark.images.quantisation import Quantizer
from tests.tiny_models import QUICK, SignSteps, ThreePasses, mixed_jobs, random_images, run, smooth_network


def norm(image: Finished) -> float:
    return float((image.adv - image.job.image).norm())


def coarse(points: Tensor) -> Tensor:
    return (points * 15).round() / 15


@pytest.mark.parametrize("rounding", ["8 bits", "coarse"])
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_running_on_never_returns_a_larger_norm(monkeypatch: pytest.MonkeyPatch, outputs: int, rounding: str) -> None:
    if rounding == "coarse":
        monkeypatch.setattr(Quantizer, "round", lambda quantizer, points: coarse(points))
    network = smooth_network(outputs)
    jobs = mixed_jobs(network)
    for rule in (QUICK, SignSteps(momentum=0.9), ThreePasses()):
        stopped, full = (run(network, rule, jobs, stop=stop) for stop in (True, False))
        for one, other in zip(stopped, full, strict=True):
            assert one.success8 <= other.success8
            assert norm(other) <= norm(one) + 1e-12 or other.success8 > one.success8
            assert other.steps == (0 if other.success_clean else 15)
            assert one.steps == one.kept_step if one.success8 else one.steps == 15


def test_a_success_that_fails_its_confirmation_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quantizer, "round", lambda quantizer, points: points.flip(2, 3))
    network = smooth_network()
    jobs = mixed_jobs(network)[1:3]
    unconfirmed = run(network, QUICK, jobs)
    plain = run(network, QUICK, jobs, confirm=False)
    for kept, first in zip(unconfirmed, plain, strict=True):
        assert (kept.success, kept.success8, kept.steps) == (True, False, 15)
        assert first.success
        assert first.steps < 15
        assert first.forwards == 1 + first.steps + 1, "nothing spent on confirmation"
        # Of successes that are none on file, the one nearest to the clean image is kept.
        assert norm(kept) <= norm(first) + 1e-12
        assert kept.forwards > 1 + 15 + 1, "each try is counted"


def test_a_confirmed_success_wins_over_a_smaller_unconfirmed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    network = smooth_network()
    (first,) = run(network, QUICK, mixed_jobs(network)[1:2], confirm=False)

    def spoil_small_changes(points: Tensor) -> Tensor:
        changed = (points - first.job.image).flatten(1).norm(dim=1) > norm(first) * 1.1
        return torch.where(changed.view(-1, 1, 1, 1), points, points.flip(2, 3))

    monkeypatch.setattr(Quantizer, "round", lambda quantizer, points: spoil_small_changes(points))
    (image,) = run(network, QUICK, [first.job])
    assert image.success8
    assert norm(image) > norm(first) * 1.1
    assert image.steps == image.kept_step > first.steps
    (full,) = run(network, QUICK, [first.job], stop=False)
    assert full.success8
    assert norm(full) == pytest.approx(norm(image))


def test_without_success_the_best_score_is_kept() -> None:
    network = smooth_network()
    (image,) = run(network, QUICK, mixed_jobs(network)[5:])
    assert not image.success
    accuracies = [step["pixel_acc"] for step in image.trace]
    last = run(network, QUICK, [image.job], keep="last")[0]
    assert last.kept_step == 15
    accuracies.append((last.adv_preds == last.job.labels).double().mean().item())
    assert accuracies.index(max(accuracies[1:]), 1) == image.kept_step, "the first of equals that was updated"


@pytest.mark.parametrize("steps", [1, 2])
def test_a_failed_attack_shows_what_it_did(steps: int) -> None:
    images = random_images(1)
    rule = SignSteps(eps=1e-6, step_size=1e-6, random_start=False)
    result = attack(smooth_network(), images, torch.zeros(1, 8, 8).long(), rule, max_steps=steps)
    assert not result.success.any()
    assert result.kept_step.tolist() == [1]
    assert (result.adv - images).abs().max() > 0


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("random_start", [False, True])
def test_images_that_are_a_success_already_end_at_once(keep: str, random_start: bool) -> None:
    network = smooth_network()
    (image,) = run(network, SignSteps(random_start=random_start), mixed_jobs(network)[:1], keep=keep)
    assert (image.success_clean, image.success, image.steps, image.kept_step) == (True, True, 0, 0)
    assert (image.forwards, image.backwards, image.trace) == (1, 0, [])
    assert torch.equal(image.adv, image.job.image)


def test_an_untargeted_rule_is_judged_by_the_truth() -> None:
    network = smooth_network()
    images = random_images(4)
    with torch.no_grad():
        truth = network(images).argmax(1)
    judge = Criterion("apsr", "truth", ">=", 0.3)
    rule = SignSteps(targeted=False, eps=0.6, step_size=0.05)
    result = attack(network, images, truth, rule, judge=judge, max_steps=30)
    assert result.success.all()
    assert (result.steps > 0).all()
    with torch.no_grad():
        left = (network(result.adv).argmax(1) != truth).double().mean((1, 2))
    assert (left >= 0.3).all()
    lower = attack(network, images, truth, rule, judge=Criterion("iou", "truth", "<=", 0.4), max_steps=30)
    assert lower.success.all()


def test_a_targeted_rule_can_be_judged_by_the_truth() -> None:
    network = smooth_network()
    jobs = mixed_jobs(network)[3:5]
    judge = Criterion("apsr", "truth", ">=", 0.1)
    for image in run(network, QUICK, jobs, judge=judge, max_steps=40):
        valid = image.job.valid if image.job.valid is not None else torch.ones(8, 8, dtype=torch.bool)
        assert image.job.truth is not None
        left = (image.adv_preds != image.job.truth)[valid].double().mean()
        assert image.success == (left >= 0.1)
        assert image.success


def test_logits_that_are_not_finite_are_no_success() -> None:
    class Breaking(nn.Module):
        """All NaN, hence all "class 0", once an image has been changed."""

        def forward(self, images: Tensor) -> Tensor:
            scores = torch.cat([images[:, :1] * 0, images[:, :1] * 0 + 1], dim=1)
            changed = (images != images.round()).flatten(1).any(1).view(-1, 1, 1, 1)
            return torch.where(changed, float("nan"), scores)

    class Nudge(Rule):
        def step(self, batch: Batch, query: Query) -> Tensor:
            query.forward()
            return batch.iterates * 0.9

    images, erased = torch.ones(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64)
    for reduced in (None, "bf16"):
        result = attack(Breaking(), images, erased, Nudge(), max_steps=3, precision=reduced)
        assert not result.success.any()
        assert not result.success8.any()
        assert result.nonfinite_gradient.all()
        assert result.steps.tolist() == [1]
        assert torch.equal(result.adv, images)


def test_logits_that_are_not_finite_are_not_kept_as_best() -> None:
    class Breaking(nn.Module):
        """All NaN, hence all "class 0", once an image has been changed; before that all class 1."""

        def forward(self, images: Tensor) -> Tensor:
            changed = (images != 1).flatten(1).any(1).view(-1, 1, 1, 1)
            return torch.where(changed, float("nan"), torch.cat([images[:, :1] * 0, images[:, :1]], dim=1))

    class Leave(Rule):
        targeted = False

        def step(self, batch: Batch, query: Query) -> Tensor:
            return batch.iterates * 0.9

    truth, judge = torch.ones(1, 4, 4, dtype=torch.int64), Criterion("iou", "truth", "<=", 0.1)
    for steps in (1, 3):
        result = attack(Breaking(), torch.ones(1, 3, 4, 4), truth, Leave(), judge=judge, max_steps=steps)
        assert not result.success.any()
        assert result.kept_step.tolist() == [0]
        assert result.finished[0].adv_preds.all(), "the clean prediction, not that of NaN"


@pytest.mark.parametrize("stop", [True, False])
def test_a_rule_may_pass_through_where_it_is_over_its_budget(stop: bool) -> None:
    class ThereAndBack(Rule):
        """Far over the budget, where everything succeeds, then within it."""

        eps = 0.1
        norm = "inf"

        def step(self, batch: Batch, query: Query) -> Tensor:
            query.forward()
            return batch.images - torch.where(batch.steps == 0, 0.5, 0.05).view(-1, 1, 1, 1)

    class Threshold(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.cat([0.7 - images[:, :1], images[:, :1] - 0.7], dim=1)

    images, erased = torch.ones(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64)
    result = attack(Threshold(), images, erased, ThereAndBack(), max_steps=3, stop=stop)
    assert not result.success.any()
    assert (images - result.adv).max().item() == pytest.approx(0.05)


@pytest.mark.parametrize(("rule", "message"), [(SignSteps(eps=0.1), "image 5"), (SignSteps(eps=None), "image 5")])
def test_a_rule_that_breaks_its_promise_is_named(rule: SignSteps, message: str) -> None:
    class Broken(SignSteps):
        def _project(self, points: Tensor, batch: Batch) -> Tensor:
            return points + 0.2 if self.eps else points + 2

    network = smooth_network()
    with pytest.raises(RuntimeError, match=f"Broken left .* {message}"):
        run(network, Broken(eps=rule.eps, random_start=False), mixed_jobs(network)[5:], keep="last")


@pytest.mark.parametrize("seed", range(4))
def test_budgets_are_verified_up_to_rounding(seed: int) -> None:
    class OnTheSphere(Rule):
        norm = 1
        eps = 1000.0

        def step(self, batch: Batch, query: Query) -> Tensor:
            delta = torch.rand(batch.images.shape, generator=torch.Generator().manual_seed(seed)) * 0.3
            return batch.images + delta * (self.eps / delta.sum())

    images = torch.full((1, 3, 64, 64), 0.3)
    network = smooth_network().float()
    with torch.no_grad():
        labels = 1 - network(images).argmax(1)
    result = attack(network, images, labels, OnTheSphere(), max_steps=1, keep="last")
    assert (result.adv - images).abs().sum().item() == pytest.approx(1000, rel=1e-5)


@pytest.mark.parametrize("bits", [9, 12])
def test_files_of_other_depths_are_rounded_to_theirs(bits: int) -> None:
    network = smooth_network()
    images = run(network, QUICK, mixed_jobs(network), quantizer=Quantizer(bits), judge=Criterion("apsr", value=0.99))
    levels = 2**bits - 1
    for image in images:
        file = ((image.adv * levels).round().float() / levels).to(image.adv)
        assert torch.equal(network(file[None]).argmax(1)[0], image.adv8_preds)


class Inverted(torch.nn.Module):
    """A network whose predictions are handed on the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.network = smooth_network()

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)

    def postprocess(self, preds: Tensor) -> Tensor:
        return 1 - preds


def test_what_is_judged_is_the_prediction_after_post_processing() -> None:
    plain, inverted = smooth_network(), Inverted()
    rule = SignSteps(targeted=True)
    for job in mixed_jobs(plain)[:2]:
        turned = replace(job, labels=torch.where(job.labels < 2, 1 - job.labels, job.labels))
        (image,) = run(inverted, rule, [turned], max_steps=0)
        (same,) = run(plain, rule, [job], max_steps=0)
        assert torch.equal(image.clean_preds, 1 - same.clean_preds)
        assert torch.equal(image.adv_preds, 1 - same.adv_preds)
        assert (image.success_clean, image.success8) == (same.success_clean, same.success8)
    (image,) = run(inverted, QUICK, [replace(job, labels=1 - plain(job.image[None]).argmax(1)[0], valid=None)])
    assert image.success_clean, "the network alone says the opposite of the labels"
