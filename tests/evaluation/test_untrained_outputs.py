"""What untrained networks return is not taken for probabilities, whatever their last layer."""

import pytest
import torch
from torch import nn

from benchmark.evaluation.victim_check import check_victim
from tests.fixtures.checked_images import disc_items


@pytest.mark.parametrize("last", [nn.Identity, nn.ReLU, nn.Softplus])
@pytest.mark.parametrize(("channels", "outputs"), [(1, 1), (1, 2), (3, 2), (3, 5)])
def test_untrained_networks_are_not_refused(channels: int, outputs: int, last: type[nn.Module]) -> None:
    items = [{"image": item["image"]} for item in disc_items(4, channels=channels)]
    for seed in range(20):
        torch.manual_seed(seed)
        layers = [nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, outputs, 1)]
        check = check_victim(nn.Sequential(*layers, last()), items, classes=max(2, outputs), batch_size=4)
        assert not {finding.name for finding in check.findings} & {"probabilities", "batch_dependence", "drift"}, seed


def test_a_constant_network_on_black_images() -> None:
    torch.manual_seed(0)
    for _ in range(20):
        check = check_victim(nn.Conv2d(3, 2, 1), torch.zeros(4, 3, 16, 16), classes=2, background=0)
        assert "coarse_logits" not in {finding.name for finding in check.findings}
