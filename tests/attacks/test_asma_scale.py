"""ASMA-auto's multipliers: what sets the first one, how they fall and rise, and what follows a success."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.asma import ASMA
from benchmark.attacks.asma_scale import BETA_PER_TAU, CALMER, FALL, FIRST_STEP, GAIN, RAISE, ROUNDS
from benchmark.engine import attack
from tests.tiny_models import random_images, smooth_network


class Scripted(nn.Module):
    """Predicts class 1 on as many of 8 columns as the script says, call after call, with logits of a given scale."""

    def __init__(self, columns: list[int], scale: float = 1.0) -> None:
        super().__init__()
        self.columns, self.scale, self.calls = columns, scale, 0

    def forward(self, images: Tensor) -> Tensor:
        count = self.columns[min(self.calls, len(self.columns) - 1)]
        self.calls += 1
        inside = (torch.arange(8) < count).to(images).expand(len(images), 1, 8, 8)
        grey = images.mean(1, keepdim=True)
        return self.scale * torch.cat([grey, grey + inside - 0.5], 1)


@pytest.mark.parametrize(
    ("columns", "raises"),
    [
        # The third step of a round ends it.
        ([2] * 10, [[0, 0, 0], [0, 1, 2], [2, 3, 4]]),
        # 20 are the most; a fall in the first round is nothing to it.
        ([2, 2] + [4] * 20 + [2] * 100, [[0] * 30, [*range(20), *[20] * 10], [*range(20, 40), *[40] * 10]]),
        # An image that lacks half may lose a quarter; in the eighth step of the second round it loses more for once.
        ([2, 2] + [4] * 36 + [2] + [4] * 60, [[0] * 30, [*range(20), *[20] * 10], [*range(20, 40), *[40] * 10]]),
        ([2, 2] + [4] * 36 + [1] + [4] * 60, [[0] * 30, [0, *range(1, 7), *[6] * 23], [*range(6, 26), *[26] * 10]]),
        # An image that lacks a quarter may lose an eighth.
        ([2, 2] + [6] * 36 + [5] + [6] * 60, [[0] * 30, [*range(20), *[20] * 10], [*range(20, 40), *[40] * 10]]),
        ([2, 2] + [6] * 36 + [4] + [6] * 60, [[0] * 30, [0, *range(1, 7), *[6] * 23], [*range(6, 26), *[26] * 10]]),
        # What counts is what the round began with, not the highest since; rising is no falling.
        ([2, 2] + [6] * 30 + [4] * 30 + [7, 6] * 20, [[0] * 30, [0] * 30, [*range(20), *[20] * 10]]),
    ],
)
def test_auto_takes_tau_from_the_first_gradient_and_lets_it_fall_in_rounds(
    columns: list[int], raises: list[list[int]]
) -> None:
    steps, third = ROUNDS * len(raises[0]), len(raises[0])
    network = Scripted(columns)
    images, labels = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64), torch.ones(1, 8, 8).long()
    result = attack(network, images, labels, ASMA(scale="auto"), max_steps=steps, stop=False, keep="last")
    trace = result.finished[0].trace
    # The 48 pixels that are not yet at the target pull with 1/3 in each channel.
    first = FIRST_STEP * math.sqrt(192) / math.sqrt(48 * 3 / 9)
    expected = [first * RAISE**k * FALL ** (i / third) for in_round in raises for i, k in enumerate(in_round)]
    assert [step["tau"] for step in trace] == pytest.approx(expected)
    overlaps = [0, *(step["iou"] for step in trace[1:])]
    assert overlaps[1:] == [count / 8 for count in (columns + columns[-1:] * steps)[2 : steps + 1]]
    multipliers = [tau * (1 + BETA_PER_TAU * overlap) for tau, overlap in zip(expected, overlaps, strict=True)]
    assert [step["multiplier"] for step in trace] == pytest.approx(multipliers)
    assert result.forwards.tolist() == [1 + steps + 1], "calibration costs no pass"


def test_auto_begins_its_last_round_before_the_steps_run_out_whatever_limits_them() -> None:
    images, labels = random_images(1), torch.ones(1, 8, 8).long()
    for limits in ({"max_steps": 50}, {"max_steps": None, "max_passes": 100}):
        result = attack(
            smooth_network(), images, labels, ASMA(scale="auto"), stop=False, keep="last", confirm=False, **limits
        )
        taus = [step["tau"] for step in result.finished[0].trace]
        # A round begins ten times as high as the one before has ended.
        assert sum(later > 5 * sooner for sooner, later in itertools.pairwise(taus)) == ROUNDS - 1


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

    result = attack(Flat(), images, labels, ASMA(scale="auto"), max_steps=3)
    assert torch.equal(result.adv, images)
    assert result.zero_gradients.tolist() == [3]


class Brightness(nn.Module):
    """Predicts class 1 everywhere once an image's values are brighter by a threshold than .4, on the average."""

    STEEPNESS = 1e6

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = 0.4 + threshold

    def forward(self, images: Tensor) -> Tensor:
        score = self.STEEPNESS * (images.mean((1, 2, 3)) - self.threshold)
        return torch.stack([torch.zeros_like(score), score], 1).view(-1, 2, 1, 1).expand(-1, 2, 8, 8)


def tried(threshold: float, steps: int) -> tuple[list[float], float, int]:
    """τ of each step, the smallest brightness that succeeded, in units of the first step, and how many tries."""
    taus: list[float] = []
    smallest = math.inf
    for tries in itertools.count():
        length, brightness = steps / ROUNDS / CALMER**tries, 0.0
        for i in range(steps):
            taus.append(CALMER**tries * FALL ** (i % length / length))
            given_up = tries > 0 and i > 0 and (brightness >= GAIN * smallest or i + 1 >= length)
            reached = threshold <= brightness < smallest
            smallest = brightness if reached else smallest
            brightness += taus[-1]
            if given_up or len(taus) == steps:
                # What the last step led to is judged as well.
                return taus, min(smallest, brightness) if brightness >= threshold else smallest, tries + 1
            if reached:
                break
    raise AssertionError


@pytest.mark.parametrize(
    ("threshold", "steps", "tries", "over"),
    [(1.04, 300, 6, False), (8.8, 300, 2, False), (1.04, 20, 4, True)],
    ids=["the sixth try gains little", "the second gains little", "the steps run out"],
)
def test_auto_tries_again_with_smaller_steps_until_that_gains_little(
    threshold: float, steps: int, tries: int, over: bool
) -> None:
    images, labels = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64), torch.ones(1, 8, 8).long()
    model = Brightness(threshold * FIRST_STEP)
    result = attack(model, images, labels, ASMA(scale="auto"), max_steps=steps, stop=False, confirm=False)
    taus, smallest, count = tried(threshold, steps)
    first = 3 * FIRST_STEP / Brightness.STEEPNESS
    trace = result.finished[0].trace
    assert [step["tau"] / first for step in trace] == pytest.approx(taus, rel=1e-5)
    assert sum(step["l2"] == 0 for step in trace) == 1, "a further try leaves the clean image without a pass there"
    assert (count, len(taus) == steps) == (tries, over)
    assert float((result.adv - images).mean()) == pytest.approx(smallest * FIRST_STEP, rel=1e-4)
    assert result.success.all()


def test_auto_tries_once_where_the_first_success_ends_the_image() -> None:
    images, labels = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64), torch.ones(1, 8, 8).long()
    rule = ASMA(scale="auto")
    result = attack(Brightness(8.8 * FIRST_STEP), images, labels, rule, max_steps=300, confirm=False)
    # Ten steps and the one in whose pass the tenth is judged.
    assert len(result.finished[0].trace) == 11
    assert result.steps.tolist() == [10]
