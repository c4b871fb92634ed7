"""Images and masks that are all alike, and chance that acts seldom, are not laid at a victim's door."""

from collections import Counter

import pytest
import torch

from benchmark.evaluation.victim_check import check_victim
from tests.fixtures.checked_images import DiscFinder, disc_items
from tests.fixtures.honest_victims import Standardised


@pytest.mark.parametrize("flat", [[0], [1, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize("grey", [0.0, 0.5])
def test_images_without_spread_do_not_make_a_gradient_false(flat: list[int], grey: float) -> None:
    torch.manual_seed(0)
    model, items = Standardised(torch.nn.Conv2d(3, 2, 3, padding=1)), disc_items(4)
    for i in flat:
        items[i]["image"] = torch.full_like(items[i]["image"], grey)
    check = check_victim(model.eval(), items, classes=2, batch_size=4)
    assert "false_gradient" not in {finding.name for finding in check.findings}


def test_a_good_iou_is_not_low_where_masks_are_full() -> None:
    items = [{**item, "mask": torch.ones_like(item["mask"])} for item in disc_items(4)]
    for item in items:
        item["image"] = item["image"].clamp(min=0.6)
        item["image"][:, :2, :2] = 0.1
    check = check_victim(DiscFinder(), items, classes=2, background=0, batch_size=4)
    assert check.iou is not None
    assert 0.9 < check.iou < 1
    assert check.findings == []


def test_chance_that_acts_seldom_is_randomness_and_no_dependence_on_the_batch() -> None:
    model, found = DiscFinder(end=lambda z: z * (0.5 if torch.rand(()) < 0.1 else 1.0)), Counter[str]()
    for seed in range(40):
        torch.manual_seed(seed)
        check = check_victim(model, disc_items(4), classes=2, background=0, batch_size=4)
        found.update(finding.name for finding in check.findings)
    assert found["randomness"] >= 38
    assert found["batch_dependence"] == 0
