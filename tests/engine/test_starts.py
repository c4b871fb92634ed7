"""Images that start at a given point in place of the rule's own first iterate."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmark.attacks.apgd import APGD
from benchmark.attacks.fgsm import FGSM
from benchmark.attacks.pgd import PGD
from benchmark.engine import Criterion, attack
from benchmark.errors import InputError
from tests.tiny_models import smooth_network

TRUTH = Criterion("iou", reference="truth", op="<=", value=0.1)
IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = (IMAGES.mean(1) > 0.5).long()
BY_SCORE = {"judge": TRUTH, "stop": False, "keep": "score", "precision": 64}
RULE = PGD(targeted=False, eps=4 / 255)


@pytest.mark.parametrize("rule", [RULE, APGD(targeted=False, loss="js", shrinking=True)], ids=["pgd", "sea"])
def test_no_start_is_worse_than_what_it_started_from(rule) -> None:
    model = smooth_network()
    below = attack(model, IMAGES, LABELS, replace(rule, eps=2 / 255), max_steps=6, **BY_SCORE)
    above = attack(model, IMAGES, LABELS, rule, max_steps=1, starts=below.adv, **BY_SCORE)

    def scores(adv: Tensor) -> Tensor:
        with torch.no_grad():
            preds = model(adv).argmax(1)
        return TRUTH.score(preds, {"truth": LABELS}, torch.ones_like(LABELS, dtype=torch.bool), 2, 0)

    assert (scores(above.adv) <= scores(below.adv)).all()
    attacked = ~above.at_floor
    assert attacked.any()
    # The clean image, the start, the step, and the iterate it leads to.
    assert ((above.forwards + above.backwards)[attacked] == 1 + 1 + 2 + 1).all()
    for finished in above.finished:  # the first step begins at the bound, whatever of it the start uses up
        assert finished.at_floor or finished.trace[0]["linf"] == pytest.approx(rule.eps)


def test_a_start_is_projected_onto_the_budget_and_random_ones_play_no_part() -> None:
    far = (IMAGES + 0.2).clamp(0, 1)
    runs = [
        attack(
            smooth_network(), IMAGES, LABELS, RULE, max_steps=0, starts=far, seed=seed, **BY_SCORE | {"keep": "last"}
        )
        for seed in (0, 1)
    ]
    expected = torch.minimum(far, IMAGES + 4 / 255)
    for run in runs:
        torch.testing.assert_close(run.adv, expected, rtol=0, atol=1e-15)


def test_some_start_and_some_do_not_whatever_shares_their_slots() -> None:
    starts = (IMAGES + 3 / 255).clamp(0, 1)
    alone = attack(smooth_network(), IMAGES, LABELS, RULE, max_steps=4, starts=starts, slots=1, **BY_SCORE)
    together = attack(smooth_network(), IMAGES, LABELS, RULE, max_steps=4, starts=starts, slots=4, **BY_SCORE)
    assert torch.equal(alone.adv, together.adv)
    assert torch.equal(alone.forwards, together.forwards)


def test_steps_begin_at_the_bound_in_the_direction_of_the_start_which_is_kept() -> None:
    starts = HALF.clone()
    starts[0, 0, 0] = 0.51  # not enough: nothing is lost or won
    starts[0, 1, 3] = 0.56
    result = attack(ReadsTheFirstChannel(), HALF, ONES, replace(RULE, eps=0.2), starts=starts, max_steps=1, **BY_SCORE)
    first = result.finished[0].trace[0]
    assert first["linf"] == pytest.approx(0.2)
    assert first["l2"] == pytest.approx((4 * 0.2**2 + 4 * 0.05**2) ** 0.5)
    assert result.finished[1].trace[0]["linf"] == 0  # which is its image, and has no direction


class ReadsTheFirstChannel(torch.nn.Module):
    """Predicts class 1 where the first channel is above a level."""

    def __init__(self, level: float = 0.5) -> None:
        super().__init__()
        self.level = level

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([self.level - images[:, 0], images[:, 0] - self.level], 1)


HALF = torch.full((2, 3, 4, 4), 0.55, dtype=torch.float64)
ONES = torch.ones(2, 4, 4, dtype=torch.int64)


def test_an_image_at_its_floor_is_judged_again_and_takes_no_step() -> None:
    starts = HALF.clone()
    starts[0] = 0.45  # nothing of the truth is left
    starts[1, :, :2] = 0.45
    rule = replace(RULE, eps=0.2)
    stopping = {"judge": replace(TRUTH, value=0.6), "stop": True, "keep": "best", "precision": 64}
    for options, floors, passes in ((BY_SCORE, [True, False], 3), (stopping, [True, True], 3)):
        result = attack(ReadsTheFirstChannel(), HALF, ONES, rule, starts=starts, max_steps=2, **options)
        assert result.at_floor.tolist() == floors
        assert torch.equal(result.adv[result.at_floor], starts[result.at_floor])
        assert result.steps.tolist() == [0 if floor else 2 for floor in floors]
        # The clean image, the start, and the start rounded to 8 bits.
        assert (result.forwards + result.backwards)[result.at_floor].tolist() == [passes] * sum(floors)
        assert result.success8[0]


def test_a_floor_that_rounding_takes_away_is_attacked() -> None:
    starts = torch.full_like(HALF, 127.6 / 255)  # below the level, and above it at 8 bits, where it becomes 128
    model = ReadsTheFirstChannel(level=127.8 / 255)
    result = attack(model, HALF, ONES, replace(RULE, eps=0.2), starts=starts, max_steps=1, **BY_SCORE)
    assert not result.at_floor.any()
    assert (result.steps == 1).all()


@pytest.mark.parametrize(
    ("rule", "starts", "message"),
    [
        (FGSM(targeted=False), IMAGES, "image 0: FGSM starts at a first iterate of its own"),
        (RULE, IMAGES[:, :2], r"image 0: start is torch.float64 of shape \(2, 8, 8\); give values in \[0,1\]"),
        (RULE, IMAGES + 1, "image 0: start is torch.float64 of shape"),
        (RULE, IMAGES[:2], "starts: 2 for 4 images"),
    ],
)
def test_starts_that_do_not_fit_are_refused(rule, starts: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attack(smooth_network(), IMAGES, LABELS, rule, starts=starts, max_steps=1, **BY_SCORE)
