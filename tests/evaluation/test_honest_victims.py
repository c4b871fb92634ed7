"""Victims that are sound give no alarm, whatever they are made of."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.engine.model import AttackedModel
from benchmark.evaluation.victim_check import VictimCheck, check_victim
from benchmark.images.output_window import window_of
from benchmark.victims.loading import build_victim
from tests.fixtures.checked_images import DiscFinder, disc_items
from tests.fixtures.honest_victims import HONEST, small_unet
from tests.victims.adapters.own_networks import OUTPUTS, WRITERS

UNTRAINED = {"constant_prediction", "class_order", "low_clean_iou", "perhaps_probabilities"}
"""What a network with random weights may do, and a trained one hardly."""


def told_by(model: nn.Module, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The items with the model's own prediction for the truth, as if it were trained to perfection."""
    network, told = AttackedModel(model.eval(), fold=False), []
    for item in items:
        window = window_of(model, *item["mask"].shape)
        told.append({**item, "mask": window.place(network.preds(item["image"]), item["mask"].shape, fill=0)})
    return told


def checked(model: nn.Module, items: Sequence[Mapping[str, Any]], **options: Any) -> VictimCheck:
    classes = int(getattr(model, "hparams", {}).get("classes", 3 if hasattr(model, "attention") else 2))
    check = check_victim(model, items, **({"classes": classes, "background": 0, "batch_size": 4} | options))
    assert check.passes == 6
    return check


def names(check: VictimCheck) -> set[str]:
    return {finding.name for finding in check.findings}


@pytest.mark.parametrize("make", HONEST.values(), ids=list(HONEST))
def test_no_alarm(make: Callable[[], nn.Module]) -> None:
    model = make()
    found = checked(model, told_by(model, disc_items(4)))
    assert found.findings == []


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "segformer", "unet_valid", "one logit", "float64"])
def test_untrained_victims_give_doubts_at_most(name: str) -> None:
    check = checked(HONEST[name](), disc_items(4))
    assert names(check) <= UNTRAINED
    check.refuse()


@pytest.mark.parametrize("adapter", sorted(WRITERS))
def test_adapters(adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    torch.manual_seed(0)
    keys = WRITERS[adapter](tmp_path)
    victim = build_victim(architecture=adapter, encoder=None, classes=OUTPUTS, background=0, channels=3, **keys).eval()
    assert checked(victim, told_by(victim, disc_items(4))).findings == []


@pytest.mark.parametrize("precision", [64, "bf16", 16, "tf32"])
def test_precisions_of_the_engine(precision: Any) -> None:
    victim = small_unet()
    assert checked(victim, told_by(victim, disc_items(4)), precision=precision).findings == []


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_few_images_and_any_batch(count: int, batch_size: int) -> None:
    check = check_victim(DiscFinder(), disc_items(count), classes=2, background=0, batch_size=batch_size)
    assert check.findings == []
    assert (check.images, check.batch) == (min(count, batch_size), batch_size)


def test_a_batch_of_one_depends_on_nobody() -> None:
    alone = nn.Sequential(nn.BatchNorm2d(3, affine=False, track_running_stats=False), nn.Conv2d(3, 2, 1))
    items = told_by(alone, disc_items(4))
    assert "batch_dependence" in names(check_victim(alone, items, classes=2, batch_size=2))
    assert "batch_dependence" not in names(check_victim(alone, items, classes=2, batch_size=1))


def test_images_without_disc_may_be_predicted_as_all_background() -> None:
    items = [{**item, "image": item["image"] * 0.5, "mask": item["mask"] * 0} for item in disc_items()]
    assert checked(DiscFinder(), items).findings == []


def test_the_check_leaves_no_trace() -> None:
    victim = small_unet().train()
    before = {name: value.clone() for name, value in victim.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    checked(victim, disc_items())
    assert torch.equal(torch.rand(4), expected)
    assert victim.training
    assert all(parameter.requires_grad for parameter in victim.parameters())
    assert all(torch.equal(value, before[name]) for name, value in victim.state_dict().items())
