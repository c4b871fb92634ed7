"""What counts as success: the judge's reference, finite logits, and the prediction after post-processing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.base import Batch, Query, Rule
from benchmark.engine import Criterion, attack
from tests.tiny_models import QUICK, SignSteps, mixed_jobs, random_images, run, smooth_network


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
