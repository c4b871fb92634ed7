"""TorchScript and exported programs: the logits are those of what was saved, and no other code runs."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.victims import adapters
from benchmark.victims.adapters.exported import network as exported_network
from benchmark.victims.adapters.onnx import network as onnx_network
from benchmark.victims.adapters.torchscript import network as torchscript_network
from tests.pickled_call import PickledCall
from tests.victims.adapters.own_networks import OUTPUTS, WRITERS, Small, exported


@pytest.mark.parametrize("name", ["torchscript", "exported", "onnx"])
def test_a_program_gives_the_logits_of_what_was_saved(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    original = Small()
    torch.manual_seed(0)
    made = adapters.make(name, WRITERS[name](tmp_path), 3, OUTPUTS)
    images = torch.rand(3, 3, 19, 11)
    torch.testing.assert_close(made(images), original(images))
    made.eval()
    assert made.train() is made


@pytest.mark.parametrize(
    ("make", "kind"),
    [(torchscript_network, "TorchScript"), (exported_network, "no program"), (onnx_network, "no ONNX file")],
)
def test_a_file_that_is_no_program(tmp_path: Path, make: Callable[..., nn.Module], kind: str) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match=rf"victim\.program=.*text: .*{kind}"):
        make(str(tmp_path / "text"))
    with pytest.raises(InputError, match=r"victim\.program=.*none: no such file"):
        make(str(tmp_path / "none"))


def replaced(path: Path, name: str, content: bytes) -> Path:
    """The archive with one member replaced."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    (member,) = [found for found in members if found.endswith(name)]
    members[member] = content
    spoilt = path.with_name("spoilt.pt2")
    with zipfile.ZipFile(spoilt, "w", zipfile.ZIP_STORED) as archive:
        for found, own in members.items():
            archive.writestr(found, own)
    return spoilt


@pytest.mark.parametrize("place", ["sample_inputs", "weight", "object"])
def test_pickled_objects_in_an_exported_program_are_refused_and_never_run(tmp_path: Path, place: str) -> None:
    path, trace = Path(exported(tmp_path)["program"]), tmp_path / "executed"
    torch.save(PickledCall(os.mkdir, str(trace)), tmp_path / "bait")
    bait = (tmp_path / "bait").read_bytes()
    if place == "sample_inputs":
        path = replaced(path, "sample_inputs/model.pt", bait)
    else:
        with zipfile.ZipFile(path) as archive:
            (name,) = [found for found in archive.namelist() if found.endswith("weights_config.json")]
            config = json.loads(archive.read(name))
        payload = next(iter(config["config"].values()))
        payload["use_pickle"] = True
        member = payload["path_name"]
        if place == "object":
            payload["path_name"] = "opaque_obj_0"
        path = replaced(path, "weights_config.json", json.dumps(config).encode())
        path = replaced(path, f"weights/{member}", bait)
    with pytest.raises(InputError, match=r"could execute code"):
        exported_network(str(path))
    assert not trace.exists()


def test_a_program_for_a_fixed_batch_and_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = Small().eval()
    torch.export.save(torch.export.export(original, (torch.rand(2, 3, 16, 24),)), tmp_path / "fixed.pt2")
    made = exported_network(str(tmp_path / "fixed.pt2"))
    images = torch.rand(5, 3, 16, 24)
    torch.testing.assert_close(made(images), original(images))
    with pytest.raises(
        InputError, match=r"of 16 x 24 .*found 20 x 24; give 'data\.size=\[16,24\]', .* 'victim\.resize=\[16,24\]'"
    ):
        made(torch.rand(2, 3, 20, 24))


@pytest.mark.parametrize("kind", ["torchscript", "exported", "onnx"])
@pytest.mark.parametrize("other", ["torchscript", "exported", "onnx", "weights"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, kind: str, other: str) -> None:
    if other == "weights":
        torch.save(Small().state_dict(), tmp_path / "small.pth")
        program, named = tmp_path / "small.pth", "holds weights alone .* with a factory"
    else:
        program = Path(WRITERS[other](tmp_path)["program"])
        named = f"; give victim={other} victim.program={program}$"
    if other == kind:
        assert adapters.make(kind, {"program": str(program)}, 3, OUTPUTS)
        return
    with pytest.raises(InputError, match=named):
        adapters.make(kind, {"program": str(program)}, 3, OUTPUTS)
