"""ASMA-auto's steps: what sets the first one, how they fall, and what follows the walk."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.asma import ASMA
from benchmark.attacks.asma_scale import (
    BETA_PER_TAU,
    CONFIDENCE,
    FALL,
    FIRST_STEP,
    GAMMA,
    GROWTH,
    MOMENTUM,
    START,
    STEP,
)
from benchmark.engine import attack
from tests.attacks.judged_passes import Judged, judged
from tests.attacks.two_by_two import IMAGE, LABELS, PIXELS, WEIGHTS, logits_at, predicted, two_by_two
from tests.tiny_models import random_images, smooth_network

STEPS = 10  # two of them are the walk's
AUTO = ASMA(scale="auto", iou="macro")


class ByHand:
    """ASMA-auto in plain Python on the 2x2 image and the linear model, following the judge's verdicts."""

    def __init__(self, verdicts: Sequence[bool]) -> None:
        self.points, self.velocity, self.radius, self.tau = list(IMAGE), [0.0] * 4, math.inf, 0.0
        self.won: int | None = None
        self.iterates, self.radii = [list(IMAGE)], []
        for step, success in enumerate(verdicts):
            self._step(step, success)
            self.iterates.append(list(self.points))
            self.radii.append(self.radius)

    def _step(self, step: int, success: bool) -> None:
        walking = self.radius == math.inf
        gradient = self._gradient(0 if walking else CONFIDENCE)
        self.won = step if success and self.won is None else self.won
        if walking and not success and step < 2:
            self._walk(step, gradient)
            return
        won = step if self.won is None else self.won
        share = (step - won) / max(STEPS - 1 - won, 1)
        gamma, length = (last + (first - last) * (1 + math.cos(math.pi * share)) / 2 for first, last in (GAMMA, STEP))
        gamma = min(gamma * 100 / STEPS, 0.5)
        reached = math.dist(self.points, IMAGE)
        if success:
            self.radius = (1 - gamma) * min(self.radius, reached)
        else:
            self.radius = START * reached if walking else (1 + GROWTH * gamma) * self.radius
        size = math.hypot(*gradient)
        before = [0.0] * 4 if walking else self.velocity
        self.velocity = [MOMENTUM * v + (1 - MOMENTUM) * g / size for v, g in zip(before, gradient, strict=True)]
        delta = [x + length * self.radius * v - y for x, v, y in zip(self.points, self.velocity, IMAGE, strict=True)]
        scale = min(1, self.radius / math.hypot(*delta))
        self.points = [y + scale * d for y, d in zip(IMAGE, delta, strict=True)]
        assert all(0 < x < 1 for x in self.points), "the projection would be more than a scaling"

    def _walk(self, step: int, gradient: list[float]) -> None:
        if step == 0:
            self.tau = FIRST_STEP * 2 / math.hypot(*gradient)
        tau = self.tau * FALL ** (step / STEPS)
        multiplier = tau + (BETA_PER_TAU * tau * self._iou() if step else 0)
        self.points = [x + multiplier * g for x, g in zip(self.points, gradient, strict=True)]

    def _gradient(self, asked: float) -> list[float]:
        """Of J: pixels pull that are wrong or lead by less than is asked for."""
        gradient = [-2 * (x - y) for x, y in zip(self.points, IMAGE, strict=True)]
        for p, scores in enumerate(logits_at(self.points)):
            label = LABELS[p]
            rival = max((k for k in range(3) if k != label), key=lambda k: scores[k])
            if predicted(scores) != label or scores[label] - scores[rival] < asked:
                gradient = [
                    g + WEIGHTS[label][p][j] - WEIGHTS[rival][p][j] for j, g in zip(PIXELS, gradient, strict=True)
                ]
        return gradient

    def _iou(self) -> float:
        found = [predicted(scores) for scores in logits_at(self.points)]
        ious = []
        for k in {*found, *LABELS}:
            both = sum(f == k == y for f, y in zip(found, LABELS, strict=True))
            ious.append(both / sum(k in pair for pair in zip(found, LABELS, strict=True)))
        return sum(ious) / len(ious)


@pytest.mark.parametrize(
    "verdicts",
    [
        [False, True, False, False, True, False],
        [False, False, False, False, False, True, False, True],
        [False, True, True, True],
    ],
    ids=["a success on the walk", "one after it", "three in turn"],
)
def test_autos_steps(verdicts: list[bool]) -> None:
    iterates, radii = judged(AUTO, two_by_two(AUTO, max_steps=STEPS), verdicts, "radius")
    expected = ByHand(verdicts)
    # Projections round towards the image, in float32 as well as here.
    assert radii == pytest.approx(expected.radii, rel=1e-6)
    for found, points in zip(iterates, expected.iterates, strict=True):
        assert found == pytest.approx(points, abs=1e-8)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("size", [8, 32])
def test_autos_first_step_is_the_same_at_any_scale_and_size(scale: float, size: int) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = smooth_network()

        def forward(self, points: Tensor) -> Tensor:
            return scale * self.inner(points)

    images = 0.25 + random_images(2, size) / 2
    labels = torch.ones(2, size, size).long()
    rule = ASMA(scale="auto")
    result = attack(Scaled(), images, labels, rule, max_steps=1, stop=False, keep="last", confirm=False)
    changed = (result.adv - images).square().mean((1, 2, 3)).sqrt()
    assert changed.tolist() == pytest.approx([FIRST_STEP] * 2)


def test_auto_without_a_gradient_stays_where_it_is() -> None:
    images, labels = random_images(1).float(), torch.ones(1, 8, 8).long()

    class Flat(nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            return torch.stack([0 * points[:, 0] + 1, 0 * points[:, 0]], 1)

    result = attack(Flat(), images, labels, ASMA(scale="auto"), max_steps=10)
    assert torch.equal(result.adv, images)
    assert result.zero_gradients.tolist() == [10]


class Brightness(nn.Module):
    """Predicts class 1 everywhere once an image's values are brighter by a threshold than .4, on the average."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = 0.4 + threshold

    def forward(self, images: Tensor) -> Tensor:
        score = 1e6 * (images.mean((1, 2, 3)) - self.threshold)
        return torch.stack([torch.zeros_like(score), score], 1).view(-1, 2, 1, 1).expand(-1, 2, 8, 8)


@pytest.mark.parametrize("gray_levels", [0.7, 6.3, 40.0])
def test_auto_uses_all_steps_and_ends_near_the_smallest_norm(gray_levels: float) -> None:
    # 40 gray levels are out of the walk's reach within 8 steps.
    images, labels = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64), torch.ones(1, 8, 8).long()
    threshold = gray_levels / 255
    result = attack(Brightness(threshold), images, labels, AUTO, max_steps=300, stop=False, confirm=False)
    assert result.steps.tolist() == [300]
    assert result.success.all()
    assert float((result.adv - images).mean()) == pytest.approx(threshold, rel=0.02)


@pytest.mark.parametrize(("steps", "gray_levels"), [(10, 4), (25, 9)])
def test_few_steps_suffice_for_a_target_out_of_the_walks_reach(steps: int, gray_levels: int) -> None:
    images, labels = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64), torch.ones(1, 8, 8).long()
    result = attack(Brightness(gray_levels / 255), images, labels, AUTO, max_steps=steps, stop=False, confirm=False)
    assert result.success.all()


def test_auto_stops_at_its_first_success_if_asked_to() -> None:
    images, labels = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64), torch.ones(1, 8, 8).long()
    result = attack(Brightness(7 / 255), images, labels, AUTO, max_steps=300, confirm=False)
    # Steps of somewhat less than two gray levels: the fourth passes the threshold.
    assert result.steps.tolist() == [4]


def test_judging_costs_auto_no_pass() -> None:
    images, labels = random_images(1), torch.ones(1, 8, 8).long()
    result = attack(smooth_network(), images, labels, AUTO, max_steps=12, stop=False, keep="last", confirm=False)
    assert result.forwards.tolist() == [1 + 12 + 1]
    assert result.backwards.tolist() == [12]


def test_a_ball_that_nothing_succeeds_in_grows_no_larger_than_the_image_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.attacks.asma_scale.GROWTH", 30.0)  # in place of thousands of steps
    images, labels = torch.full((1, 3, 8, 8), 0.4), torch.ones(1, 8, 8).long()
    options = {"max_steps": 200, "stop": False, "keep": "last", "confirm": False}
    result = attack(Brightness(2.0), images, labels, AUTO, **options)
    assert not result.nonfinite_gradient.any()
    assert result.steps.tolist() == [200]
    assert max(step["radius"] for step in result.finished[0].trace if step["radius"] < math.inf) <= 192**0.5 * 1.001


def test_of_two_images_one_may_walk_while_the_other_is_in_its_ball() -> None:
    alone = [two_by_two(AUTO, max_steps=STEPS) for _ in range(2)]
    both = two_by_two(AUTO, max_steps=STEPS)
    for name in ("images", "iterates", "labels", "valid", "steps", "seeds", "clean_lead", "eps", "best_norm", "done"):
        setattr(both, name, getattr(both, name).repeat(2, *[1] * (getattr(both, name).ndim - 1)))
    both.state = {name: value.repeat(2, *[1] * (value.ndim - 1)) for name, value in both.state.items()}
    for verdicts in ((False, True), (False, False)):
        for batch, success in zip(alone, verdicts, strict=True):
            batch.iterates, batch.steps = AUTO.step(batch, Judged(batch, success)), batch.steps + 1
        both.iterates, both.steps = AUTO.step(both, Judged(both, verdicts)), both.steps + 1
        assert torch.equal(both.iterates, torch.cat([batch.iterates for batch in alone]))
    walking, inside = both.report["radius"].tolist()
    assert inside < walking == math.inf
