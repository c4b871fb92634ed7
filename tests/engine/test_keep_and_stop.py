"""What is kept of an attacked image, when it stops, and what is refused as a result."""

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
