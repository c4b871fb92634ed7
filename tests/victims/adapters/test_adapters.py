"""What every adapter is told, and what it says when something is missing; its network is tested with the victims."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.errors import InputError
from benchmark.victims import adapters
from benchmark.victims.loading import build_victim
from benchmark.victims.weights import read_tensors
from tests.pickled_call import PickledCall
from tests.victims.adapters.own_networks import DATASET, OUTPUTS, PLANS, WRITERS


def test_every_adapter_has_a_victim_and_a_miniature() -> None:
    from benchmark.config.groups import names

    assert set(adapters.names()) == set(WRITERS)
    assert set(adapters.names()) <= set(names("victim"))


def test_keys_that_are_missing_or_unknown() -> None:
    with pytest.raises(InputError, match=r"victim=torchscript needs victim\.program"):
        adapters.make("torchscript", {}, 3, 2)
    with pytest.raises(InputError, match=r"victim=monai needs victim\.network_class or victim\.folder, see"):
        adapters.make("monai", {"network_class": None}, 3, 2)
    with pytest.raises(InputError, match=r"victim\.programme: victim=torchscript takes no such key"):
        adapters.make("torchscript", {"program": "x", "programme": "x"}, 3, 2)


@pytest.mark.parametrize(
    ("name", "module", "keys"),
    [
        ("hugging_face", "transformers", {}),
        ("monai", "monai", {}),
        ("nnunet", "dynamic_network_architectures", {}),
        *(("onnx", module, {}) for module in ("onnx", "onnxruntime", "onnx2pytorch")),
    ],
)
def test_an_extra_that_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, keys: dict[str, Any]
) -> None:
    real = adapters.importlib.import_module

    def without(wanted: str) -> Any:
        if wanted.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}")
        return real(wanted)

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "plans.json").write_text(json.dumps(PLANS))
    (tmp_path / "dataset.json").write_text(json.dumps(DATASET))
    given = {"monai": {"network_class": "UNet"}, "onnx": {"program": "x.onnx"}}.get(name, {"folder": str(tmp_path)})
    monkeypatch.setattr(adapters.importlib, "import_module", without)
    with pytest.raises(InputError, match=rf'victim={name} needs {module} .*pip install "segmentation-.*\[{name}\]"'):
        adapters.make(name, given, 3, 3)


def test_weights_are_read_without_executing_code(tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    torch.save({"state_dict": {"w": torch.ones(1)}, "extra": PickledCall(os.mkdir, str(trace))}, tmp_path / "bait.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(PickledCall(os.mkdir, str(trace))))
    for name in ("bait.pth", "plain.pkl"):
        with pytest.raises(InputError, match="cannot be read as weights without executing code"):
            read_tensors(tmp_path / name, "victim.weights")
    assert not trace.exists()
    torch.save({"epoch": 3, "model": {"module.w": torch.ones(2)}}, tmp_path / "nested.pth")
    assert read_tensors(tmp_path / "nested.pth", "victim.weights")["module.w"].tolist() == [1, 1]
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(InputError, match="holds no names and tensors"):
        read_tensors(tmp_path / "empty.pth", "victim.weights")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"network_class": "Unett"}, r"unknown network of MONAI 'Unett' in victim\.network_class; nearest: "),
        (
            {"network_class": "UNet"},
            r"victim\.network_class=UNet: cannot be built from .*channels.*check victim\.options",
        ),
    ],
)
def test_unusable_monai_networks(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        adapters.make("monai", keys, 3, 2)
    assert len(str(caught.value).splitlines()) == 1


def test_monai_weights_are_those_of_the_file(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    keys = WRITERS["monai"](tmp_path)
    keys.pop("stride")
    made = adapters.make("monai", keys, 3, OUTPUTS)
    for name, tensor in load_file(keys["weights"]).items():
        assert torch.equal(made.network.state_dict()[name], tensor)  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"victim\.weights=.*do not fit the UNet"):
        adapters.make("monai", keys | {"options": {"channels": [4, 6], "strides": [2]}}, 3, OUTPUTS)


@pytest.mark.parametrize("background", [2, None])
@pytest.mark.parametrize("name", sorted(WRITERS))
def test_the_background_may_be_the_last_class_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, background: int | None
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    keys = WRITERS[name](tmp_path) | {"architecture": name, "encoder": None}
    if name == "nnunet" and background is not None:
        with pytest.raises(InputError, match="class 0 is its background, that of the data is 2"):
            build_victim(classes=OUTPUTS, background=background, channels=3, **keys)
        return
    victim = build_victim(classes=OUTPUTS, background=background, channels=3, **keys).eval()
    assert victim.hparams["background"] == background
    assert victim(torch.rand(1, 3, 32, 32)).shape == (1, OUTPUTS, 32, 32)
    if background is not None:
        cleaned = build_victim(classes=OUTPUTS, background=2, channels=3, postprocess=["largest_component"], **keys)
        preds = torch.full((1, 5, 5), 2)
        preds[0, 0, 0], preds[0, 3:, 3:] = 1, 1
        assert cleaned.postprocess(preds)[0, 0, 0] == 2
