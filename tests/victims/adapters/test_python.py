from pathlib import Path

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims.adapters.python import network


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_networks.py").write_text("raise OSError('disc\\non fire')\n")
    (tmp_path / "user_networks.py").write_text(
        "from torch import nn\n"
        "NUMBER = 3\n"
        "def network(width):\n    return nn.Conv2d(3, width, 1)\n"
        "def nothing():\n    return None\n"
        "def failing():\n    raise RuntimeError('out of ideas')\n"
    )


@pytest.mark.usefixtures("user_module")
def test_factory_is_called_with_its_options() -> None:
    made = network("user_networks:network", {"width": 4})
    assert isinstance(made, torch.nn.Conv2d)
    assert made.out_channels == 4


@pytest.mark.usefixtures("user_module")
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("user_networks", "not of the form package.module:function"),
        ("user_networks:", "not of the form package.module:function"),
        ("absent_networks:network", "importing absent_networks failed: ModuleNotFoundError.*PYTHONPATH"),
        ("broken_networks:network", "importing broken_networks failed: OSError: disc"),
        ("user_networks:netwrok", "unknown function of user_networks 'netwrok'.*nearest: network"),
        ("user_networks:NUMBER", "unknown function of user_networks 'NUMBER'"),
        ("user_networks:network", r"failed when called with \{\}: TypeError.*width.*victim.options"),
        ("user_networks:failing", "failed when called.*out of ideas"),
        ("user_networks:nothing", "returned NoneType, expected"),
    ],
)
def test_unusable_factory_is_one_line(factory: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        network(factory, {})
    assert len(str(caught.value).splitlines()) == 1
