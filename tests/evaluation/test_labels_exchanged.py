"""Labels that overlap and stand in another order are named by the check."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from benchmark.evaluation.check_before_attack import run_check
from benchmark.evaluation.victim_check import check_victim
from benchmark.label_subsets import NO_LABEL, subset_names

ROWS, COLUMNS = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")


def items(inner: int) -> list[dict[str, Tensor]]:
    """Discs of radius 11 with brighter cups of squared radius `inner` inside; mask bit 0 is the disc, bit 1 the cup."""
    generator, found = torch.Generator().manual_seed(0), []
    for shift in range(4):
        distance = (ROWS - 12 - shift) ** 2 + (COLUMNS - 16) ** 2
        disc, cup = (distance < 121).long(), (distance < inner).long()
        image = 0.1 + 0.35 * disc + 0.35 * cup + 0.05 * torch.rand(3, 32, 32, generator=generator)
        found.append({"image": image, "mask": disc + 2 * cup})
    return found


class TwoLabels(nn.Module):
    multilabel = True

    def __init__(self, exchanged: bool) -> None:
        super().__init__()
        self.exchanged = exchanged

    def forward(self, images: Tensor) -> Tensor:
        grey = images.mean(1, keepdim=True)
        logits = torch.cat([20 * (grey - 0.3), 20 * (grey - 0.6)], 1)
        return logits.flip(1) if self.exchanged else logits


@pytest.mark.parametrize("inner", [36, 90])
@pytest.mark.parametrize("exchanged", [False, True])
def test_exchanged_labels(inner: int, exchanged: bool) -> None:
    check = check_victim(
        TwoLabels(exchanged), items(inner), classes=4, batch_size=4, multilabel=True, data_classes=["disc", "cup"]
    )
    orders = [finding.what for finding in check.findings if finding.name == "class_order"]
    assert len(orders) == exchanged
    if exchanged:
        assert "labels are numbered otherwise: 0 (disc) of the data is predicted as 1 (IoU 1.00), 1 (cup)" in orders[0]


def test_labels_have_their_own_names() -> None:
    data = SimpleNamespace(
        test_dataloader=lambda: SimpleNamespace(dataset=items(36)),
        classes=4,
        background=NO_LABEL,
        class_names=subset_names(["disc", "cup"]),
        scored_names=("disc", "cup"),
    )
    check, _ = run_check({"slots": 4}, TwoLabels(exchanged=False), data)
    assert check.data_classes == ["disc", "cup"]
    assert len(check.class_iou) == 2
    assert check.findings == []
