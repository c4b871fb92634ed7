"""A network of the user's own: its checkpoint names no code, its factory is given by the user."""

from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims.loading import build_victim, load_victim
from tests.victims.fitted_victims import SMALL, altered, fitted

FACTORY = """
from pathlib import Path
from torch import nn
Path(__file__).with_name("imported").touch()

def network(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 1), nn.Conv2d(width, 2, 1))
"""


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"networks_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    return f"{name}:network"


def test_python_victim_round_trip(factory: str, tmp_path: Path) -> None:
    config = {"architecture": "python", "encoder": None, "factory": factory, "options": {"width": 5}}
    victim, path = fitted(tmp_path, **config)
    images = torch.rand(2, 3, 9, 7)
    loaded = load_victim(path, classes=2, factory=factory, options={"width": 5})
    with torch.no_grad():
        assert torch.equal(loaded(images), victim.eval()(images))


@pytest.mark.parametrize(
    ("planted", "message"), [(False, r"give victim=python victim\.factory"), (True, "that another program wrote")]
)
def test_checkpoint_cannot_name_the_factory(
    checkpoint: Path, factory: str, tmp_path: Path, planted: bool, message: str
) -> None:
    named = {"factory": factory} if planted else {}
    altered(checkpoint, hyper_parameters={"architecture": "python", **named})
    with pytest.raises(InputError, match=message):
        load_victim(checkpoint)
    assert not (tmp_path / "imported").exists()


def test_python_checkpoint_is_not_built_by_lightning_either(checkpoint: Path, factory: str, tmp_path: Path) -> None:
    from benchmark.victims.task import Victim

    altered(checkpoint, hyper_parameters={"architecture": "python", "factory": factory})
    with pytest.raises(InputError, match=r"has no network"):
        Victim.load_from_checkpoint(checkpoint, weights_only=True)
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architecture": "python", "options": {}}, "victim=python needs victim.factory"),
        ({"factory": "json:loads"}, "victim.factory=json:loads: architecture 'unet' takes no such key"),
    ],
)
def test_new_victim_with_factory_and_architecture_apart(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_victim(**(SMALL | config))


def test_factory_with_nonfinite_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "diverged_networks.py").write_text(
        "import torch\n"
        "def network():\n"
        "    network = torch.nn.Conv2d(3, 2, 1)\n"
        "    torch.nn.init.constant_(network.bias, float('nan'))\n"
        "    return network\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"victim\.factory=diverged_networks:network has NaN .* in network\.bias"):
        build_victim(**(SMALL | {"architecture": "python", "factory": "diverged_networks:network", "options": {}}))
