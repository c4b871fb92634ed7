"""The check from Python: what data it takes, what it says of scores and class names, what it keeps."""

import json
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmark.errors import InputError
from benchmark.evaluation.victim_check import check_victim
from benchmark.evaluation.victim_findings import REFUSING
from tests.fixtures.checked_images import DiscFinder, disc_items

ITEMS = disc_items(6)
IMAGES, MASKS = (torch.stack([item[name] for item in ITEMS]) for name in ("image", "mask"))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ITEMS, id="items"),
        pytest.param(iter(ITEMS), id="iterator"),
        pytest.param((IMAGES, MASKS), id="two tensors"),
        pytest.param(TensorDataset(IMAGES, MASKS), id="data set"),
        pytest.param(DataLoader(TensorDataset(IMAGES, MASKS), 4), id="loader of pairs"),
        pytest.param(DataLoader(TensorDataset(IMAGES, MASKS[:, None]), 4), id="masks with a channel"),
        pytest.param(DataLoader(ITEMS, 4), id="loader of mappings"),
    ],
)
def test_data_of_many_forms(data: Any) -> None:
    check = check_victim(DiscFinder(), data, classes=2, background=0, batch_size=5)
    assert check.findings == []
    assert (check.images, check.batch, check.passes) == (5, 5, 6)
    assert check.iou is not None
    assert check.iou == pytest.approx(check.class_iou[1], abs=1e-6)


@pytest.mark.parametrize("data", [IMAGES, [IMAGES[:2], IMAGES[2:]], [{"image": image} for image in IMAGES]])
def test_images_without_masks(data: Any) -> None:
    check = check_victim(DiscFinder(), data, classes=2)
    assert check.findings == []
    assert (check.iou, check.class_iou, check.images) == (None, (), 6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no images to check the victim with; give images"),
        (IMAGES * 255, r"are torch\.float32 from .* normalise in the model"),
        (IMAGES * torch.nan, "from nan to nan"),
        ((IMAGES * 255).byte(), r"are torch\.uint8"),
        (IMAGES[0, 0], r"images of shape \(32, 32\)"),
        ([{"picture": IMAGES[0]}], "hold no image"),
        (["image.png"], "hold str"),
        ((IMAGES, MASKS[:, :9]), r"a mask of shape \(9, 32\) for an image \(32, 32\)"),
        ((IMAGES, MASKS.float()), r"masks are torch\.float32"),
    ],
)
def test_data_that_cannot_be_used(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_victim(DiscFinder(), data, classes=2)


def test_images_of_another_size_are_left_out() -> None:
    check = check_victim(DiscFinder(), [ITEMS[0], *disc_items(2, 24), ITEMS[1]], classes=2)
    assert check.images == 2


def test_fewer_classes_than_the_data_have() -> None:
    with pytest.raises(
        InputError, match=r"victim DiscFinder tells 2 classes apart, the data have 3; set data\.classes"
    ):
        check_victim(DiscFinder(), ITEMS, classes=3)


def test_the_score_that_the_checkpoint_remembers() -> None:
    blind = DiscFinder(end=lambda z: z - torch.tensor([-8.0, 8.0])[:, None, None])
    found = {f.name: f for f in check_victim(blind, ITEMS, classes=2, background=0, validation_iou=0.9).findings}
    assert ", in validation 0.900 (limit half)" in found["low_clean_iou"].what
    good = check_victim(DiscFinder(), ITEMS, classes=2, background=0, validation_iou=0.9)
    assert (good.findings, good.validation_iou) == ([], 0.9)


@pytest.mark.parametrize(
    ("victim", "data", "differs"),
    [
        (["background", "disc"], ["Background", "Disc"], False),
        (["disc", "background"], ["background", "disc"], True),
        (["LABEL_0", "LABEL_1"], ["background", "disc"], False),
        (["background", "polyp"], ["background", "disc"], False),
        ([], ["background", "disc"], False),
    ],
)
def test_names_of_classes(victim: list[str], data: list[str], differs: bool) -> None:
    check = check_victim(DiscFinder(), ITEMS, classes=2, victim_classes=victim, data_classes=data)
    assert [finding.name for finding in check.findings] == ["class_names"] * differs
    assert (check.plain()["victim_classes"], check.plain()["data_classes"]) == (victim, data)


def test_what_is_kept_is_plain() -> None:
    check = check_victim(DiscFinder(end=lambda z: z.softmax(1)), ITEMS, classes=2, background=0)
    plain = json.loads(json.dumps(check.plain()))
    (finding,) = plain["findings"]
    assert (finding["name"], finding["refused"]) == ("probabilities", True)
    assert finding["name"] in REFUSING
    assert plain["class_iou"] == pytest.approx(check.class_iou)


def test_the_worst_comes_first() -> None:
    check = check_victim(DiscFinder(end=lambda z: z.sigmoid().double(), pair=False), ITEMS, classes=2)
    assert [finding.refused for finding in check.findings] == [True, False]


@pytest.mark.parametrize(
    ("pair", "options", "reading"),
    [
        (True, {"background": 0}, "2 classes, a softmax over one logit each, background 0, images 3 x 32 x 32"),
        (True, {}, "2 classes, a softmax over one logit each, no background, images 3 x 32 x 32"),
        (False, {"background": 0}, "2 classes by one logit, background 0, images 3 x 32 x 32"),
        (False, {"multilabel": True}, "1 label that may overlap, one logit each, images 3 x 32 x 32"),
    ],
)
def test_how_the_victim_is_read(pair: bool, options: dict[str, Any], reading: str) -> None:
    check = check_victim(DiscFinder(pair=pair), IMAGES, classes=2, **options)
    assert check.reading == check.plain()["reading"] == reading
