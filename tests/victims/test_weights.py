"""Weights reach a network under the names that wrappers have changed, and nothing else is guessed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.errors import InputError
from benchmark.victims.weights import put_into, read_tensors

State = dict[str, Tensor]


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    made.add_module("head", nn.Conv2d(4, 2, 1))
    return made


TRAINED = network(1).state_dict()


def prefixed(prefix: str, state: State = TRAINED) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def loaded(contents: Any, folder: Path, entry: str | None = None) -> State:
    torch.save(contents, folder / "weights.pt")
    made = network()
    put_into(made, read_tensors(folder / "weights.pt", "victim.weights", entry), "victim.weights=weights.pt")
    return made.state_dict()


@pytest.mark.parametrize(
    "prefix",
    ["", "_orig_mod.", "module.", "model.", "net.", "network.", "module._orig_mod.", "_orig_mod.module.", "a.b.c."],
)
@pytest.mark.parametrize("around", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"a": {"b": s}}])
def test_a_common_beginning_of_all_names_is_removed(
    tmp_path: Path, prefix: str, around: Callable[[State], Any]
) -> None:
    found = loaded(around(prefixed(prefix)), tmp_path)
    assert all(torch.equal(found[name], tensor) for name, tensor in TRAINED.items())


def test_names_of_compiled_parts(tmp_path: Path) -> None:
    made = network(1)
    made.head = torch.compile(made.head)  # type: ignore[assignment]
    assert any("head._orig_mod" in name for name in made.state_dict())
    assert torch.equal(loaded(prefixed("model.", made.state_dict()), tmp_path)["head.weight"], TRAINED["head.weight"])


EMA = network(2).state_dict()


@pytest.mark.parametrize(
    ("contents", "entry"),
    [
        ({"state_dict": TRAINED, "ema_state_dict": EMA}, "ema_state_dict"),
        ({"state_dict": prefixed("model.") | prefixed("ema.module.", EMA)}, "ema.module"),
        ({"state_dict": prefixed("model.") | prefixed("ema.module.", EMA)}, "state_dict.ema"),
        (prefixed("model.") | prefixed("ema.", EMA), "ema"),
        ({"model": TRAINED, "callbacks": {"EMA": {"weights": prefixed("model.", EMA)}}}, "callbacks.EMA.weights"),
    ],
)
def test_a_set_is_chosen_by_its_place(tmp_path: Path, contents: Any, entry: str) -> None:
    assert torch.equal(loaded(contents, tmp_path, entry)["head.weight"], EMA["head.weight"])


ADAM = {"state": {0: {"exp_avg": torch.ones(3)}, "head": {"exp_avg": torch.ones(3)}}}
LESS = {name: tensor for name, tensor in TRAINED.items() if name != "head.bias"}


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (
            {"state_dict": TRAINED, "ema_state_dict": EMA, "optimizer": ADAM},
            r"several sets of weights: state_dict \(9 tensors\), ema_state_dict \(9 tensors\); choose .*"
            r"victim\.entry=state_dict or victim\.entry=ema_state_dict$",
        ),
        (
            prefixed("model.") | prefixed("ema.", EMA),
            r"there are 2 sets of weights; victim\.entry=model or victim\.entry=ema takes",
        ),
        (
            prefixed("model.") | {"criterion.weight": torch.ones(2)},
            r"1 \(criterion\.weight\) are left over; victim\.entry=model takes",
        ),
        (LESS, r"missing 1 \(head\.bias\); check that network and options"),
        (prefixed("model.", LESS) | {"model.x": torch.ones(1)}, r"missing 1 \(head\.bias\), left over 1 \(x\);"),
        ({"y": torch.ones(2)}, r"missing 9 \(0\.bias, 0\.weight, 1\.bias, \.\.\.\), left over 1 \(y\)"),
        (prefixed("net.", TRAINED | {"head.bias": torch.ones(5)}), r"head\.bias is \(5,\) in the file, \(2,\) in the"),
        ({"optimizer": ADAM, "epoch": 3}, r"holds no names and tensors; it has optimizer, epoch; save"),
        ({}, r"holds no names and tensors; it is empty; save the network's state_dict"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, contents: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        loaded(contents, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_an_entry_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no weights at victim\.entry=ema; it holds model \(9 tensors\)"):
        loaded({"model": TRAINED}, tmp_path, "ema")


def test_optimisers_and_metrics_are_no_weights(tmp_path: Path) -> None:
    contents = {"model": TRAINED, "optimizer": ADAM, "scores": {"iou": torch.tensor(0.5)}}
    assert torch.equal(loaded(contents, tmp_path)["head.weight"], TRAINED["head.weight"])
