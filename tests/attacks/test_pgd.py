import inspect
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import norms
from benchmark.attacks.budgeted import Budgeted
from benchmark.attacks.pgd import PGD
from benchmark.engine import Criterion, attack
from tests.attacks.two_by_two import (
    IMAGE,
    LABELS,
    PIXELS,
    WEIGHTS,
    Linear,
    drive,
    logits_at,
    make_batch,
    predicted,
    square,
    two_by_two,
)
from tests.tiny_models import TwoPixels, random_images, smooth_network


def margin_gradient(values: list[float], relative: bool, targeted: bool) -> list[float]:
    """Of the mean over the pixels not yet won of (z_y - max of the others), by finite differences."""

    def mean(at: list[float]) -> float:
        total = 0.0
        for scores, label in zip(logits_at(at), LABELS, strict=True):
            lead = scores[label] - max(score for k, score in enumerate(scores) if k != label)
            if (lead > 0) == targeted:
                continue
            first, _, third = sorted(scores, reverse=True)
            total += lead / (first - third) if relative else lead
        return total / 4

    def shifted(j: int, by: float) -> list[float]:
        return [value + by * (i == j) for i, value in enumerate(values)]

    return [(mean(shifted(j, 1e-6)) - mean(shifted(j, -1e-6))) / 2e-6 for j in PIXELS]


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("loss", ["margin", "dlr"])
def test_two_updates_by_hand(loss: str, targeted: bool) -> None:
    rule = PGD(targeted, norm=2, eps=0.05, step_size=0.02, random_start=False, loss=loss)  # type: ignore[arg-type]
    found = drive(rule, Linear(), two_by_two(rule), 2)
    values = IMAGE
    assert {predicted(scores) == label for scores, label in zip(logits_at(values), LABELS, strict=True)} == {
        True,
        False,
    }
    for points in found[1:]:
        gradient = margin_gradient(values, loss == "dlr", targeted)
        sense = 1 if targeted else -1
        values = [values[j] + sense * 0.02 * gradient[j] / math.hypot(*gradient) for j in PIXELS]
        assert torch.allclose(points, square(values), rtol=0, atol=1e-8)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("loss", ["margin", "dlr"])
def test_an_image_whose_pixels_are_all_won_stays_where_it_is(loss: str, targeted: bool) -> None:
    rule = PGD(targeted, eps=0.05, random_start=False, loss=loss)  # type: ignore[arg-type]
    won = tuple(p for p in PIXELS if (predicted(logits_at(IMAGE)[p]) == LABELS[p]) == targeted)
    found = drive(rule, Linear(), two_by_two(rule, won), 1)
    assert won
    assert torch.equal(found[1], found[0])


def test_signs_and_projection_by_hand() -> None:
    # Only the first class and pixel: its logit is 3a - b + c/2, and the last value does not matter to it.
    assert WEIGHTS[0][0] == [3.0, -1.0, 0.5, 0.0]
    rule = PGD(True, eps=0.05, step_size=0.03, random_start=False)
    images = square([0.4, 0.55, 0.98, 0.45])

    class First(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            score = 3 * x[:, :, 0, 0] - x[:, :, 0, 1] + x[:, :, 1, 0] / 2
            return torch.stack([score, torch.zeros_like(score)], 1).unsqueeze(3).expand(-1, 2, 2, 2)

    batch = make_batch(rule, images, torch.zeros(1, 2, 2, dtype=torch.int64), classes=2)
    found = drive(rule, First(), batch, 3)
    for points, moved in zip(found, (0.0, 0.03, 0.05, 0.05), strict=True):
        expected = square([0.4 + moved, 0.55 - moved, min(0.98 + moved, 1), 0.45])
        assert torch.allclose(points, expected, rtol=0, atol=1e-12)


def test_each_restart_starts_elsewhere_and_all_share_the_steps() -> None:
    rule = PGD(eps=0.1, restarts=3, relative_step=0.01)
    images = random_images(2)
    labels = torch.ones(2, 8, 8, dtype=torch.int64)
    batch = make_batch(rule, images, labels, classes=2, max_steps=11)
    iterates = drive(rule, smooth_network(), batch, 11)
    far = [norms(b - a, "inf").min().item() > 0.01 for a, b in itertools.pairwise(iterates)]
    assert [i + 1 for i, jump in enumerate(far) if jump] == [4, 8], "12 iterates in 3 rounds of 4"
    starts = [rule.random_point(batch, stream) for stream in range(3)]
    for round_, i in enumerate((0, 4, 8)):
        assert torch.equal(iterates[i], starts[round_])
    assert not torch.allclose(starts[0], starts[1], atol=0.01)


def test_a_restart_finds_what_the_first_round_missed() -> None:
    # Class 1 only in a well at x = .51 +- .004, to which no gradient leads; a random start may fall into it.
    class Well(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.zero = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            inside = (x.mean(1, keepdim=True) - 0.51).abs() < 0.004
            score = inside.to(x) - 0.5 + self.zero * x.mean(1, keepdim=True)
            return torch.cat([-score, score], 1)

    images = torch.full((40, 1, 1, 1), 0.5, dtype=torch.float64)
    labels = torch.ones(40, 1, 1, dtype=torch.int64)
    options = {"judge": Criterion("apsr", value=1.0), "max_steps": 19, "slots": 40}
    once, often = (
        attack(Well(), images, labels, PGD(eps=0.03, restarts=restarts), **options).success8.sum().item()  # type: ignore[arg-type]
        for restarts in (1, 10)
    )
    # Each start falls into the part of the well that survives rounding with probability 2/15 or so.
    assert once < 15
    assert often > 22


def test_it_is_read_in_its_file_and_one_more() -> None:
    """All of PGD's steps stand in its file; what it calls is described in `budgeted`, the contract in `base`."""
    lines = Path(inspect.getfile(PGD)).read_text(encoding="utf-8").splitlines()
    imported = {line.split()[1] for line in lines if line.startswith("from benchmark.attacks.")}
    assert imported == {"benchmark.attacks.base", "benchmark.attacks.budgeted"}
    assert {"start", "step"} <= vars(PGD).keys()
    assert not {"start", "step"} & vars(Budgeted).keys()


def test_reaches_the_target_through_the_engine() -> None:
    labels = torch.tensor([[[1, 0]]])
    images = torch.tensor([0.45, 0.55], dtype=torch.float64).expand(1, 3, 1, 2).contiguous()
    result = attack(TwoPixels(), images, labels, PGD(eps=0.06), judge=Criterion("apsr", value=1.0), max_steps=20)
    assert result.success8.all()
    assert norms(result.adv - images, "inf").item() <= 0.06
