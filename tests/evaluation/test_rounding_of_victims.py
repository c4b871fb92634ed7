"""Images that are nothing but rounding to a network give no alarm; a dependence on the batch beside them does."""

import pytest
import torch
from torch import nn

from benchmark.evaluation.victim_check import check_victim
from tests.fixtures.checked_images import DiscFinder, disc_items
from tests.fixtures.honest_victims import Standardised

ALARMS = {"batch_dependence", "randomness", "drift", "gradient_mode"}


def found(model: nn.Module, grey: float, places: list[int], count: int = 8) -> set[str]:
    items = disc_items(count)
    for place in places:
        items[place]["image"] = torch.full_like(items[place]["image"], grey)
    check = check_victim(model, items, classes=2, background=0, batch_size=count)
    assert check.passes <= 6
    return ALARMS & {finding.name for finding in check.findings}


@pytest.mark.parametrize("grey", [0.0, 0.4, 77 / 255, 0.5, 1.0])
@pytest.mark.parametrize("places", [[0], [7], [3, 4], list(range(8))], ids=str)
def test_images_of_one_grey(grey: float, places: list[int]) -> None:
    torch.manual_seed(0)
    normed = nn.Sequential(nn.InstanceNorm2d(3), nn.Conv2d(3, 2, 3, padding=1, bias=False))
    for model in (DiscFinder(), Standardised(DiscFinder()), Standardised(DiscFinder(), 1e-5), normed):
        assert found(model.eval(), grey, places) == set()


@pytest.mark.parametrize("grey", [0.4, 0.5])
def test_an_image_of_one_grey_hides_nothing(grey: float) -> None:
    mixed = DiscFinder(start=lambda images: images + 0.02 * images.roll(1, 0))
    for model in (mixed, Standardised(mixed)):
        assert found(model, grey, [0]) == {"batch_dependence"}
