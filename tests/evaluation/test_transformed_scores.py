"""Columns after an input transform, against transforms whose outcome can be seen at once."""

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.evaluation.case import Case
from benchmark.evaluation.transformed_scores import TransformedScores
from tests.evaluation.made_case import make_case


def _case(image_id: str = "a") -> Case:
    truth = torch.zeros(8, 8, dtype=torch.int64)
    truth[:4] = 1
    return make_case(truth.float().expand(3, 8, 8), truth, id=image_id)


def _scores(case: Case, image: Tensor) -> dict[str, Any]:
    return case.scores((image[0] > 0.5).long(), 2, 0)


def _invert(pixels: Tensor) -> Tensor:
    return 255 - pixels


def _halve(pixels: Tensor) -> Tensor:
    """The image's upper half all over: the truth covers half of what is then predicted."""
    return pixels[:, :1].expand_as(pixels)


def test_the_file_goes_through_the_transform_before_it_is_predicted() -> None:
    case = _case()
    adv8 = 1 - case.image
    defended = TransformedScores({"inv": _invert, "up": _halve}, _scores)
    assert defended.columns(case, adv8) == pytest.approx(
        {
            **{"inv_iou_target": 0, "inv_iou_truth": 1, "clean_inv_iou_truth": 0},
            **{"up_iou_target": 0, "up_iou_truth": 0, "clean_up_iou_truth": 0.5},
        }
    )


def test_the_clean_image_is_predicted_once_for_all_attacks() -> None:
    seen = []

    def scores(case: Case, image: Tensor) -> dict[str, Any]:
        seen.append(image)
        return _scores(case, image)

    defended = TransformedScores({"inv": _invert}, scores)
    first, second = _case(), _case("b")
    columns = [defended.columns(first, first.image), defended.columns(first, 1 - first.image)]
    assert [result["clean_inv_iou_truth"] for result in columns] == [0, 0]
    assert [result["inv_iou_truth"] for result in columns] == [0, 1]
    assert len(seen) == 3
    defended.columns(second, second.image)
    assert len(seen) == 5


def test_none_asked_none_given() -> None:
    assert TransformedScores({}, _scores).columns(_case(), _case().image) == {}
