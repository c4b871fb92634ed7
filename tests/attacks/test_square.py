import itertools

import pytest
import torch
from torch import Tensor

from benchmark.attacks.base import norms
from benchmark.attacks.random_draws import uniform
from benchmark.attacks.square import Square, square_side
from benchmark.engine import Criterion, attack
from tests.attacks.conformance_cases import Never
from tests.attacks.two_by_two import IMAGE, LABELS, PIXELS, Linear, drive, logits_at, two_by_two
from tests.tiny_models import TwoPixels, random_images, smooth_network


def sides(total: int, height: int, width: int, share: float = 0.8) -> list[int]:
    return square_side(torch.arange(1, total + 1), total, height, width, share).tolist()


def test_the_published_schedule_of_squares() -> None:
    # p = .8, halved after 10, 50, 200, 500, 1,000, 2,000, 4,000, 6,000 and 8,000 of 10,000; round(sqrt(p 100 100)).
    expected = [89] * 10 + [63] * 40 + [45] * 150 + [32] * 300 + [22] * 500 + [16] * 1000
    expected += [11] * 2000 + [8] * 2000 + [6] * 2000 + [4] * 2000
    assert sides(10_000, 100, 100) == expected
    # A tenth of the queries: each number of them after which p is halved is a tenth, too.
    assert sides(1_000, 100, 100) == expected[9::10]


def test_squares_are_a_pixel_at_least_and_fit_into_the_image() -> None:
    assert sides(10, 3, 3) == [1] * 10
    assert sides(10_000, 4, 100)[0] == 4
    assert sides(1, 8, 8)[0] == 1


def sign(draw: float) -> int:
    return -1 if draw < 0.5 else 1


def missing(values: list[float], targeted: bool) -> float:
    """By how much the pixels that are not won miss, on average over all."""
    total = 0.0
    for scores, label in zip(logits_at(values), LABELS, strict=True):
        lead = scores[label] - max(score for k, score in enumerate(scores) if k != label)
        total += max(-lead if targeted else lead, 0)
    return total / 4


def projected(values: list[float], eps: float) -> list[float]:
    return [min(max(value, clean - eps, 0), clean + eps, 1) for value, clean in zip(values, IMAGE, strict=True)]


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize(("share", "side"), [(0.8, 2), (0.2, 1)])
def test_updates_by_hand(share: float, side: int, targeted: bool) -> None:
    eps, trials = 0.1, 9
    rule = Square(targeted, eps=eps, share=share)
    batch = two_by_two(rule, max_steps=10_000)
    seeds = batch.seeds
    stripes = [sign(draw) for draw in uniform(seeds, (1, 1, 2), 0, torch.float64).flatten().tolist()]
    point = projected([IMAGE[p] + eps * stripes[p % 2] for p in PIXELS], eps)
    best, lowest, kept = IMAGE, float("inf"), []
    found = drive(rule, Linear(), batch, trials)
    for trial, points in enumerate(found):
        assert points.flatten().tolist() == pytest.approx(point, abs=1e-12)
        loss = missing(point, targeted)
        kept.append(loss < lowest)
        best, lowest = (point, loss) if kept[-1] else (best, lowest)
        row, column, turn = uniform(seeds, (3,), trial + 1, torch.float64).flatten().tolist()
        top, left = int(row * (3 - side)), int(column * (3 - side))
        inside = [top <= p // 2 < top + side and left <= p % 2 < left + side for p in PIXELS]
        point = projected([best[p] + 2 * eps * sign(turn) * inside[p] for p in PIXELS], eps)
    assert set(kept) == {True, False}


def test_a_trial_is_one_forward_pass_and_what_is_kept_never_gets_worse() -> None:
    images = random_images(3)
    labels = torch.ones(3, 8, 8).long()
    options = {"max_steps": 40, "stop": False, "judge": Never("apsr")}
    result = attack(smooth_network(), images, labels, Square(eps=0.1), **options)
    assert result.forwards.tolist() == [1 + 40 + 1] * 3
    assert result.backwards.tolist() == [0] * 3
    assert (norms(result.adv - images, "inf") <= 0.1 + 1e-9).all()
    for image in result.finished:
        losses = [step["best_loss"] for step in image.trace]
        assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
        assert losses[-1] < losses[0]


def test_every_square_lies_within_the_image_and_channels_have_signs_of_their_own() -> None:
    class Blind(torch.nn.Module):
        """Prefers whatever comes first."""

        def forward(self, images: Tensor) -> Tensor:
            return torch.zeros(len(images), 2, *images.shape[2:], dtype=images.dtype)

    images = torch.full((1, 3, 6, 9), 0.5, dtype=torch.float64)
    result = attack(
        Blind(), images, torch.ones(1, 6, 9).long(), Square(eps=0.1), max_steps=200, keep="last", stop=False
    )
    changed = (result.adv - images).abs()
    # Vertical stripes, in which one square has been turned at most.
    assert torch.allclose(changed, torch.full_like(changed, 0.1))


def test_it_finds_what_needs_no_gradient() -> None:
    class Rounded(TwoPixels):
        """In steps, so that there is no gradient."""

        def forward(self, images: Tensor) -> Tensor:
            black, white = super().forward(images).split(1, dim=1)
            return torch.cat([torch.zeros_like(black), ((white - black) * 20).floor() / 20 + 0.01], dim=1)

    images = torch.full((2, 3, 4, 4), 0.45, dtype=torch.float64)
    labels = torch.ones(2, 4, 4).long()
    judge = Criterion("apsr", value=0.9)
    result = attack(Rounded(), images, labels, Square(eps=0.15), judge=judge, max_steps=300)
    assert result.success8.all()
    assert (result.backwards == 0).all()


@pytest.mark.parametrize(
    ("options", "message"), [({"share": 0}, r"share=0: must be in \(0, 1\]"), ({"norm": 2}, "norm=2 is not one of inf")]
)
def test_parameters_that_make_no_sense(options, message: str) -> None:
    with pytest.raises(ValueError, match=f"Square: {message}"):
        Square(**options)
