import pytest

from benchmark.attacks.segpgd import SegPGD
from tests.attacks.two_by_two import IMAGE, LABELS, assert_weighted_step, logits_at, predicted, two_by_two


def test_the_image_has_right_and_wrong_pixels() -> None:
    assert [predicted(scores) for scores in logits_at(IMAGE)] == [0, 1, 1, 0]
    assert LABELS == [0, 1, 0, 2]


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize(("steps", "late"), [(0, 0.0), (1, 1 / 16), (6, 6 / 16)])
@pytest.mark.parametrize("counted", [(0, 1, 2, 3), (0, 2, 3)])
def test_loss_and_update_by_hand(targeted: bool, steps: int, late: float, counted: tuple[int, ...]) -> None:
    rule = SegPGD(targeted, norm=2, eps=0.1, step_size=0.03, random_start=False)
    batch = two_by_two(rule, counted, max_steps=8, steps=steps)

    def weight(scores: list[float], label: int) -> float:
        right = predicted(scores) == label
        if targeted:
            return late if right else 1 - late
        return 1 - late if right else late

    assert_weighted_step(rule, batch, weight, counted)


def test_the_papers_step_at_the_papers_budget() -> None:
    rule = SegPGD()
    assert rule.eps == 8 / 255
    assert rule.relative_step * rule.eps == pytest.approx(0.01)
