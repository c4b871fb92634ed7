"""Networks that fail outside their passes: one line that names the call, before anything is written."""

import sys

import pytest
import torch
from torch import Tensor, nn

from benchmark.attacks.pgd import PGD
from benchmark.engine import attack
from benchmark.errors import InputError
from benchmark.victims.fingerprints import tensors_sha256, weights_sha256
from benchmark.victims.loading import build_victim
from tests.victims.fitted_victims import SMALL


class Small(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(3, 2, 1)


class NoEvaluation(Small):
    def train(self, mode: bool = True):
        raise RuntimeError("not now")


class NoMove(Small):
    def _apply(self, fn, recurse: bool = True):
        raise RuntimeError("not now")


class NoState(Small):
    def state_dict(self, *args, **options):
        raise RuntimeError("not now")


class Ends(Small):
    def state_dict(self, *args, **options):
        sys.exit(3)


class NoAttribute(Small):
    def __getattr__(self, name: str):
        if name.startswith("_") or name in ("weight", "bias"):
            return super().__getattr__(name)
        raise RuntimeError(f"no {name}")


class Unsayable(Small):
    def eval(self):
        class DumbError(Exception):
            def __str__(self) -> str:
                raise ValueError

        raise DumbError


class Extra(Small):
    extra: object = None

    def get_extra_state(self):
        return self.extra


def lazy() -> nn.Module:
    return nn.LazyConv2d(2, 1)


def without_values() -> nn.Module:
    return Small().to("meta")


def sparse() -> nn.Module:
    network = Small()
    network.register_buffer("graph", torch.eye(3).to_sparse(), persistent=False)
    return network


def built(monkeypatch: pytest.MonkeyPatch, factory) -> nn.Module:
    monkeypatch.setattr(sys.modules[__name__], "load", factory, raising=False)
    named = {"architecture": "python", "encoder": None, "factory": f"{__name__}:load", "options": {}}
    return build_victim(**(SMALL | named))


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (
            NoEvaluation,
            r"\(NoEvaluation\) fails when set to evaluation by eval\(\): RuntimeError: not now \(test_us.*\)",
        ),
        (NoMove, r"fails when moved to its device by to\(\): RuntimeError: not now \(test_usable"),
        (NoState, r"fails when its state_dict\(\) is read: RuntimeError: not now \(test_usable"),
        (Ends, r"fails when its state_dict\(\) is read: SystemExit: 3 \(test_usable"),
        (
            NoAttribute,
            r"RuntimeError: no no_such_attribute \(test_usable_network\.py, line \d+\); raise AttributeError",
        ),
        (Unsayable, r"fails when set to evaluation by eval\(\): DumbError \(test_usable"),
        (lazy, r"weight has no shape before the first images .*network\(torch.zeros\(1, 3, 64, 64\)\)$"),
        (without_values, r"weight has no values \(device meta\); load the weights where it is made$"),
        (sparse, r"graph is a sparse tensor \(torch.sparse_coo\); keep graph.to_dense\(\) in its place$"),
    ],
)
def test_a_network_that_fails_outside_its_passes(monkeypatch: pytest.MonkeyPatch, factory, said: str) -> None:
    with pytest.raises(InputError, match=rf"^victim.factory={__name__}:load: .*{said}") as raised:
        built(monkeypatch, factory)
    assert "\n" not in str(raised.value)


def test_what_fails_only_later_is_one_line_too() -> None:
    with pytest.raises(
        InputError, match=r"^victim NoState fails when its state_dict\(\) is read: RuntimeError: not now"
    ):
        weights_sha256(NoState())
    images, labels = torch.rand(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long)
    with pytest.raises(
        InputError, match=r"^victim NoEvaluation fails when set to evaluation by eval\(\): RuntimeError"
    ):
        attack(NoEvaluation(), images, labels, PGD())


def test_modes_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(Small(), nn.BatchNorm2d(2).eval())
    assert [module.training for module in built(monkeypatch, lambda: network).network] == [True, False]


@pytest.mark.parametrize("state", [{"names": ["a"], "far": object()}, ["a"], object()])
def test_extra_state_of_any_type_has_a_hash(state: object) -> None:
    network = Extra()
    plain = tensors_sha256({name: value for name, value in network.state_dict().items() if isinstance(value, Tensor)})
    assert weights_sha256(network) == plain
    network.extra = state
    assert weights_sha256(network) == weights_sha256(network)
    assert (weights_sha256(network) == plain) == (type(state) is object)


def test_tensors_of_extra_state_count() -> None:
    network = Extra()
    network.extra = {"scale": torch.ones(2)}
    ones = weights_sha256(network)
    network.extra = {"scale": torch.zeros(2)}
    assert weights_sha256(network) != ones
