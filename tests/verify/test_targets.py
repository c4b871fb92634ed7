"""The target that the program draws, as verify draws it again."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.data.datamodule import SegmentationData
from benchmark.engine.model import AttackedModel
from benchmark.evaluation.case import make_case, split_of
from benchmark.targets import OtherImage
from benchmark.verify.targets import drawn_targets


class Fixed(nn.Module):
    """Logits (1, 2, H, W) that are the same for every image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1, -1, -1)


@pytest.fixture
def item(data: SegmentationData) -> dict[str, Any]:
    data.setup("test")
    return data.test_dataloader().dataset[1]


def _target(data: SegmentationData, max_iou: float | None) -> OtherImage:
    target = OtherImage(0, max_iou=max_iou)
    target.prepare(split_of(data, "test"))
    return target


def _logits(mask: Tensor) -> Tensor:
    return torch.stack([mask == 0, mask == 1])[None].float()


def test_a_target_is_drawn_again_as_for_the_attack(data: SegmentationData, item: dict[str, Any]) -> None:
    target = _target(data, 0.8)
    first = next(target.draws(item["id"], item["mask"], item["valid"]))
    names = {}
    for what, prediction in (("truth", item["mask"]), ("first draw", first.mask)):
        (drawn,) = drawn_targets(target, AttackedModel(Fixed(_logits(prediction))), item)
        expected = make_case(item, target, prediction=prediction).columns()
        assert drawn.items() <= expected.items()
        names[what] = drawn["target"]
    assert names["truth"] == first.name
    assert names["first draw"] != first.name


def test_without_a_limit_nothing_is_predicted(data: SegmentationData, item: dict[str, Any]) -> None:
    target = _target(data, None)
    first = next(target.draws(item["id"], item["mask"], item["valid"]))
    network = AttackedModel(Fixed(torch.full((1, 2, 1, 1), torch.nan)))
    assert drawn_targets(target, network, item) == [
        {"target": first.name, "target_draw": 1, "target_draws": 1, "target_too_close": False}
    ]


def test_a_prediction_that_hangs_on_rounding_leaves_the_choice_open(
    data: SegmentationData, item: dict[str, Any]
) -> None:
    target = _target(data, 0.5)
    first = next(target.draws(item["id"], item["mask"], item["valid"]))
    logits = _logits(first.mask)
    logits[:, 1][first.mask[None] == 1] = 0
    logits[:, 0][first.mask[None] == 1] = 1e-7  # a tie where the first draw has its structure
    drawn = drawn_targets(target, AttackedModel(Fixed(logits)), item)
    assert [one["target_draw"] for one in drawn][:1] == [1]
    assert len(drawn) > 1
