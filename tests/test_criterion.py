from typing import Any

import pytest
import torch

from benchmark.criterion import Criterion
from benchmark.errors import InputError

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
