"""Updates of FMN on a 2x2 image and a linear model, against the formulas of its docstring in plain Python."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import Batch
from benchmark.attacks.fmn import FMN
from tests.attacks.judged_passes import Judged, judged
from tests.attacks.two_by_two import IMAGE, LABELS, PIXELS, WEIGHTS, Linear, logits_at, square, two_by_two

STEPS = 6
MOMENTUM, GAMMA, STEP_SIZE = 0.4, (0.2, 0.05), (0.5, 0.1)  # none of them a default; first and last values of the latter

every_norm = pytest.mark.parametrize("norm", [2, "inf"])
every_sense = pytest.mark.parametrize("targeted", [True, False])


def fmn(norm: object, targeted: bool, momentum: float = MOMENTUM) -> FMN:
    fading = {"gamma": GAMMA[0], "gamma_end": GAMMA[1], "step_size": STEP_SIZE[0], "step_size_end": STEP_SIZE[1]}
    return FMN(targeted=targeted, norm=norm, momentum=momentum, **fading)  # type: ignore[arg-type]


def faded(ends: tuple[float, float], step: int) -> float:
    first, last = ends
    return last + (first - last) * (1 + math.cos(math.pi * step / (STEPS - 1))) / 2


def excess(values: Sequence[float], targeted: bool) -> tuple[float, list[float]]:
    """f, and its gradient where no step leads out of [0, 1]."""
    total, gradient = 0.0, [0.0] * 4
    for p, scores in enumerate(logits_at(values)):
        label = LABELS[p]
        rival = max((k for k in range(3) if k != label), key=lambda k: scores[k])
        sense = -1 if targeted else 1
        lead = sense * (scores[label] - scores[rival])
        if lead > 0:
            total += lead
            for j in PIXELS:
                gradient[j] += sense * (WEIGHTS[label][p][j] - WEIGHTS[rival][p][j])
    held = [(value <= 0 and g > 0) or (value >= 1 and g < 0) for value, g in zip(values, gradient, strict=True)]
    return total, [0.0 if stays else g for stays, g in zip(held, gradient, strict=True)]


def size(vector: Sequence[float], norm: object) -> float:
    return math.hypot(*vector) if norm == 2 else max(abs(value) for value in vector)


def unit(gradient: Sequence[float], norm: object) -> list[float]:
    if norm == 2:
        return [g / math.hypot(*gradient) for g in gradient]
    return [math.copysign(1, g) if g else 0.0 for g in gradient]


def by_hand(clean: Sequence[float], verdicts: Sequence[bool], rule: FMN) -> tuple[list[list[float]], list[float]]:
    """The iterates, the first one included, and the radius at each step, infinite before the first success."""
    points, velocity, radius, iterates, radii = list(clean), [0.0] * 4, math.inf, [list(clean)], []
    for step, success in enumerate(verdicts):
        f, gradient = excess(points, rule.targeted)
        u = unit(gradient, rule.norm)
        if success:
            # The first steps within the ball begin at rest: those to the target were of another length.
            velocity = [0.0] * 4 if radius == math.inf else velocity
            norm = size([x - y for x, y in zip(points, clean, strict=True)], rule.norm)
            radius = (1 - faded(GAMMA, step)) * min(radius, norm)
        elif radius < math.inf:
            radius = (1 + faded(GAMMA, step)) * radius
        if radius == math.inf:
            dual = math.hypot(*gradient) if rule.norm == 2 else sum(abs(g) for g in gradient)
            velocity = [rule.momentum * v + f / dual * d for v, d in zip(velocity, u, strict=True)]
            points = [min(max(x - v, 0), 1) for x, v in zip(points, velocity, strict=True)]
        else:
            velocity = [rule.momentum * v + (1 - rule.momentum) * d for v, d in zip(velocity, u, strict=True)]
            length = faded(STEP_SIZE, step) * radius
            delta = [x - length * v - y for x, v, y in zip(points, velocity, clean, strict=True)]
            points = _within(delta, clean, radius, rule.norm)
        iterates.append(points)
        radii.append(radius)
    return iterates, radii


def _within(delta: Sequence[float], clean: Sequence[float], radius: float, norm: object) -> list[float]:
    """The nearest point of the ball, cut with [0, 1]."""
    if norm == 2:
        # Holds where scaling alone leads into the ball and no value has to stop at 0 or 1.
        found = [y + d * min(1, radius / math.hypot(*delta)) for d, y in zip(delta, clean, strict=True)]
        assert all(0 < x < 1 for x in found)
        return found
    return [min(max(y + min(max(d, -radius), radius), 0), 1) for d, y in zip(delta, clean, strict=True)]


def drive(rule: FMN, batch: Batch, verdicts: Sequence[bool]) -> tuple[list[list[float]], list[float]]:
    return judged(rule, batch, verdicts, "radius")


def assert_updates(rule: FMN, verdicts: Sequence[bool]) -> list[float]:
    """Holds every iterate and radius against those by hand; returns the radii."""
    iterates, radii = drive(rule, two_by_two(rule, max_steps=STEPS), verdicts)
    expected, expected_radii = by_hand(IMAGE, verdicts, rule)
    assert radii == pytest.approx(expected_radii, abs=1e-12)
    for found, points in zip(iterates, expected, strict=True):
        assert found == pytest.approx(points, abs=1e-12)
    return radii


@every_sense
@every_norm
def test_polyaks_steps_before_the_first_success(norm: object, targeted: bool) -> None:
    assert assert_updates(fmn(norm, targeted), [False, False]) == [math.inf] * 2


def test_polyaks_first_step_would_end_a_linear_excess() -> None:
    for norm in (2, "inf"):
        rule = fmn(norm, targeted=False)
        f, gradient = excess(IMAGE, rule.targeted)
        (_, points), _ = drive(rule, two_by_two(rule, max_steps=STEPS), [False])
        assert all(0 < x < 1 for x in points)
        change = sum(g * (x - y) for g, x, y in zip(gradient, points, IMAGE, strict=True))
        assert change == pytest.approx(-f)


@every_sense
@every_norm
@pytest.mark.parametrize("momentum", [0.0, MOMENTUM])
def test_a_step_after_a_success_and_one_after_a_failure(norm: object, targeted: bool, momentum: float) -> None:
    rule = fmn(norm, targeted, momentum)
    verdicts = [False, True, False, True, True, False]
    before, first, failed, *_ = assert_updates(rule, verdicts)
    assert first < before == math.inf
    assert failed == pytest.approx((1 + faded(GAMMA, 2)) * first)


@every_norm
def test_a_success_inside_of_the_ball_shrinks_it_from_the_norm_that_was_reached(norm: object) -> None:
    # Failures widen the ball faster than such short steps follow.
    rule = replace(fmn(norm, True), step_size=0.01, step_size_end=0.01)
    iterates, radii = drive(rule, two_by_two(rule, max_steps=STEPS), [False, True, False, False, True])
    reached = size([x - y for x, y in zip(iterates[4], IMAGE, strict=True)], norm)
    assert reached < radii[3]
    assert radii[4] == pytest.approx((1 - faded(GAMMA, 4)) * reached)


@every_norm
def test_a_value_that_would_leave_the_range_takes_no_part(norm: object) -> None:
    rule = fmn(norm, True)
    clean = [0.4, 1.0, 0.6, 0.0]
    batch = two_by_two(rule, max_steps=STEPS)
    batch.images = batch.iterates = square(clean)
    f, gradient = excess(clean, True)
    held = [j for j in PIXELS if clean[j] in (0.0, 1.0) and gradient[j] == 0]
    assert held
    (_, points), _ = drive(rule, batch, [False])
    dual = math.hypot(*gradient) if norm == 2 else sum(abs(g) for g in gradient)
    moved = [min(max(x - f / dual * d, 0), 1) for x, d in zip(clean, unit(gradient, norm), strict=True)]
    assert points == pytest.approx(moved, abs=1e-12)
    assert all(points[j] == clean[j] for j in held)


def test_scaling_the_logits_changes_nothing() -> None:
    class Large(Linear):
        def forward(self, images: Tensor) -> Tensor:
            return 1024 * super().forward(images)

    for norm in (2, "inf"):
        rule, found = fmn(norm, True), []
        for model in (Linear(), Large()):
            batch = two_by_two(rule, max_steps=STEPS)
            for success in (False, True, False, True):
                batch.iterates, batch.steps = rule.step(batch, Judged(batch, success, model)), batch.steps + 1
            found.append(batch.iterates)
        assert torch.equal(*found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 1}, "norm=1 is not one of 2, inf"),
        ({"momentum": 1}, r"momentum=1: must be in \[0, 1\)"),
        ({"gamma_end": -0.1}, r"gamma_end=-0.1: must be in \[0, 1\)"),
        ({"step_size": 0}, r"step_size=0: must be in \(0, inf\)"),
    ],
)
def test_parameters_that_make_no_sense(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"FMN: {message}"):
        FMN(**options)
