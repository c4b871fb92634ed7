import itertools
from typing import Any

import pytest
import torch

from benchmark.criterion import Criterion
from benchmark.errors import InputError
from benchmark.label_subsets import NO_LABEL

# Four pixels, the last one void: target, truth, and a prediction that is half way.
REFERENCES = {"target": torch.tensor([[[1, 1, 0, 0]]]), "truth": torch.tensor([[[0, 1, 1, 0]]])}
PREDS = torch.tensor([[[1, 1, 1, 1]]])
VALID = torch.tensor([[[True, True, True, False]]])


@pytest.mark.parametrize(
    ("metric", "reference", "expected"),
    [
        ("iou", "target", 2 / 3),
        ("iou", "truth", 2 / 3),
        ("dice", "target", 4 / 5),
        ("apsr", "target", 2 / 3),
        ("apsr", "truth", 1 / 3),
        ("area", "truth", 3 / 2),
    ],
)
def test_the_judged_number(metric: Any, reference: Any, expected: float) -> None:
    judge = Criterion(metric, reference, ">=", 0.5)
    assert judge.score(PREDS, REFERENCES, VALID, 2, 0).tolist() == pytest.approx([expected])


def test_the_background_is_not_judged_unless_there_is_none() -> None:
    preds, references = torch.tensor([[[0, 0, 0, 1]]]), {"target": torch.tensor([[[0, 0, 1, 1]]])}
    everywhere = torch.ones(1, 1, 4, dtype=torch.bool)
    assert Criterion().score(preds, references, everywhere, 2, 0).item() == 0.5
    assert Criterion().score(preds, references, everywhere, 2, None).item() == pytest.approx((1 / 2 + 2 / 3) / 2)


@pytest.mark.parametrize(("op", "holds", "better"), [(">=", [0, 1, 1], [0, 0, 1]), ("<=", [1, 1, 0], [1, 0, 0])])
def test_directions(op: Any, holds: list[int], better: list[int]) -> None:
    judge = Criterion("iou", "truth", op, 0.5)
    scores = torch.tensor([0.4, 0.5, 0.6])
    assert judge.holds(scores).int().tolist() == holds
    assert judge.better(scores, torch.tensor(0.5)).int().tolist() == better


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "accuracy"}, "metric='accuracy' is not one of iou, dice, apsr, area"),
        ({"reference": "clean"}, "reference='clean' is not one of target, truth"),
        ({"op": ">"}, "op='>' is not one of >=, <="),
        ({"metric": "area"}, r"set judge\.reference=truth"),
    ],
)
def test_judges_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Criterion(**options)


def test_a_judge_reads_as_a_sentence() -> None:
    assert str(Criterion("area", "truth", "<=", 0.05)) == "area to truth <= 0.05"


@pytest.mark.parametrize(("metric", "value"), [("iou", 2), ("iou", -1), ("dice", 1.01), ("apsr", 99)])
def test_thresholds_nothing_can_reach_are_refused(metric: Any, value: float) -> None:
    with pytest.raises(InputError, match=f"judge: value={value:g}: {metric} lies between 0 and 1"):
        Criterion(metric, value=value)


SIDE = 20  # of a structure of 400 pixels, of which 1 % are 4


def _left(pixels: int, outside: int = 0) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A prediction that leaves so many pixels of a structure and has so many beside it; target erased, and truth."""
    truth = torch.zeros(1, SIDE, 2 * SIDE, dtype=torch.long)
    truth[:, :, :SIDE] = 1
    preds = torch.zeros_like(truth)
    preds[0, :, :SIDE].view(SIDE, SIDE)[:1, :pixels] = 1
    preds[0, 0, SIDE : SIDE + outside] = 1
    return preds, {"target": torch.zeros_like(truth), "truth": truth}


@pytest.mark.parametrize("metric", ["iou", "dice"])
@pytest.mark.parametrize("value", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize(("left", "outside", "success"), [(0, 0, True), (4, 0, True), (0, 4, True), (3, 2, False)])
def test_an_erased_target_is_reached_at_one_percent_of_the_structure(
    metric: Any, value: float, left: int, outside: int, success: bool
) -> None:
    judge = Criterion(metric, value=value)
    preds, references = _left(left, outside)
    score = judge.score(preds, references, torch.ones_like(preds, dtype=torch.bool), 2, 0)
    assert judge.holds(score).tolist() == [success]
    assert score.item() == pytest.approx(value + 0.01 - (left + outside) / 400)


def test_the_less_is_left_of_an_erased_structure_the_better() -> None:
    judge = Criterion()
    scores = []
    for left in range(20):
        preds, references = _left(left)
        scores.append(judge.score(preds, references, torch.ones_like(preds, dtype=torch.bool), 2, 0))
    assert all(judge.better(less, more).item() for less, more in itertools.pairwise(scores))


def test_each_image_of_a_batch_is_judged_by_its_own_target() -> None:
    preds, references = _left(3)
    both = {
        "target": torch.cat([references["target"], references["truth"]]),
        "truth": references["truth"].repeat(2, 1, 1),
    }
    score = Criterion().score(preds.repeat(2, 1, 1), both, torch.ones(2, SIDE, 2 * SIDE, dtype=torch.bool), 2, 0)
    assert score.tolist() == pytest.approx([0.95 + 0.01 - 3 / 400, 3 / 400])


def test_an_erased_target_is_one_where_it_counts_and_of_any_class() -> None:
    target, truth = torch.tensor([[[0, 0, 2]]]), torch.tensor([[[1, 2, 2]]])
    preds, valid = torch.tensor([[[2, 0, 2]]]), torch.tensor([[[True, True, False]]])
    judge = Criterion()
    assert judge.score(preds, {"target": target, "truth": truth}, valid, 3, 0).item() == pytest.approx(
        0.95 + 0.01 - 1 / 2
    )
    # Without a class that is no object there is nothing to erase, and without the truth nothing to compare with.
    assert judge.score(preds, {"target": target, "truth": truth}, valid, 3, None).item() == 0.25
    assert judge.score(preds, {"target": target}, valid, 3, 0).item() == 0


def test_of_no_structure_not_a_pixel_may_be_left() -> None:
    empty = torch.zeros(1, 2, 2, dtype=torch.long)
    preds, valid = torch.tensor([[[0, 0], [0, 1]]]), torch.ones(1, 2, 2, dtype=torch.bool)
    judge, references = Criterion(), {"target": empty, "truth": empty}
    assert judge.holds(judge.score(empty, references, valid, 2, 0)).item()
    assert not judge.holds(judge.score(preds, references, valid, 2, 0)).item()


@pytest.mark.parametrize(("metric", "op", "expected"), [("iou", "<=", 0), ("apsr", ">=", 1 - 3 / 800)])
def test_other_judges_take_an_erased_target_like_any(metric: Any, op: Any, expected: float) -> None:
    preds, references = _left(3)
    judge = Criterion(metric, "target", op, 0.5)
    score = judge.score(preds, references, torch.ones_like(preds, dtype=torch.bool), 2, 0)
    assert score.item() == pytest.approx(expected)


# Disc (bit 0) and cup (bit 1): in the target the cup is gone, in the truth it is half of the disc.
TRUTH, ERASED_CUP = torch.tensor([[[1, 1, 3, 3, 0]]]), torch.tensor([[[1, 1, 1, 1, 0]]])
EVERYWHERE = torch.ones(1, 1, 5, dtype=torch.bool)


@pytest.mark.parametrize(
    ("judge", "expected"),
    [
        (Criterion("iou", "truth"), (3 / 4 + 1 / 2) / 2),
        (Criterion("iou", "truth", classes=0), 3 / 4),
        (Criterion("dice", "truth", classes=1), 2 / 3),
        (Criterion("apsr", "truth", classes=0), 1 / 5),
        (Criterion("apsr", "truth"), 1 / 5),
        (Criterion("area", "truth", "<=", classes=1), 1 / 2),
        (Criterion("iou", "target", classes=0), 3 / 4),
        (Criterion("iou", "target", classes=1), 0.95 + 0.01 - 1 / 2),  # erased: what is left of it
    ],
)
def test_one_label_that_overlaps_others(judge: Criterion, expected: float) -> None:
    preds = torch.tensor([[[1, 1, 3, 0, 0]]])
    references = {"target": ERASED_CUP, "truth": TRUTH}
    assert judge.score(preds, references, EVERYWHERE, 4, NO_LABEL).item() == pytest.approx(expected)


def test_one_class_of_an_ordinary_head_by_name() -> None:
    preds, truth = torch.tensor([[[0, 1, 2, 2]]]), torch.tensor([[[1, 1, 2, 0]]])
    judge = Criterion("iou", "truth", "<=", 0.1, classes="cup")
    assert str(judge) == "iou of cup to truth <= 0.1"
    assert str(Criterion(classes=2)) == "iou of class 2 to target >= 0.95"
    named = judge.for_names(["background", "disc", "cup"])
    assert named == judge
    numbered = Criterion("iou", "truth", "<=", 0.1, classes=2).for_names(["background", "disc", "cup"])
    assert str(numbered) == str(named) == str(judge)
    assert named.score(preds, {"truth": truth}, torch.ones_like(truth).bool(), 3, 0).item() == 1 / 2
    with pytest.raises(InputError, match="judge: classes='cup' is a name"):
        judge.score(preds, {"truth": truth}, torch.ones_like(truth).bool(), 3, 0)
    with pytest.raises(InputError, match=r"judge\.classes=cup: is no class of the data, did you mean cups\?"):
        judge.for_names(["skin", "cups"])
    with pytest.raises(InputError, match="judge: classes=3 is none of the 3 classes or labels"):
        Criterion("iou", "truth", classes=3).score(preds, {"truth": truth}, torch.ones_like(truth).bool(), 3, 0)
    with pytest.raises(InputError, match="judge: classes=-1 is neither mean nor a class"):
        Criterion(classes=-1)
