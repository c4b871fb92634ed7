"""Runs on networks of every adapter: `verify` and `transfer` when the network is given again, wherever it lies now."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.config.overrides import assignment
from benchmark.regular_files import file_sha256
from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from tests.victims.adapters.own_networks import WRITERS

DATA = ("data=synthetic", "data.classes=3", "data.n_test=2", "data.size=32", "trainer=cpu")
ATTACK = ("attack=pgd", "engine.max_passes=8", "run.montage=0", "target.max_iou=null")
QUICK = ("python", "torchscript")  # the others import packages that take seconds
NAMES = [name if name in QUICK else pytest.param(name, marks=[pytest.mark.slow]) for name in WRITERS]


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Any]:
    """Writes a network of an adapter into a new folder, and returns the overrides that choose it."""

    def write(adapter: str, folder: str) -> list[str]:
        place = tmp_path / folder
        place.mkdir()
        monkeypatch.syspath_prepend(place)
        keys = WRITERS[adapter](place)
        return [f"victim={adapter}", *(_override(key, value) for key, value in keys.items())]

    return write


def _override(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"victim.{key}={{{','.join(f'{name}:{part}' for name, part in value.items())}}}".replace(" ", "")
    return assignment(f"victim.{key}", value) if isinstance(value, str) else f"victim.{key}={value}"


@pytest.mark.parametrize("adapter", NAMES)
def test_given_again_it_is_verified_and_transferred(command, own, tmp_path: Path, adapter: str) -> None:
    network, run = own(adapter, "first"), tmp_path / "run"
    outcome = command("attack", *DATA, *ATTACK, *network, "victim.window=24", f"run.dir={run}")
    assert outcome.status == 0, outcome
    # Nothing that the folder names is loaded.
    outcome = command("verify", run)
    assert outcome.status == 2, outcome
    assert f"{run}: is of a network of your own; give --network victim={adapter} victim." in outcome.err
    shutil.move(run, tmp_path / "moved")
    run = tmp_path / "moved"
    again = network
    if adapter != "python":
        shutil.move(tmp_path / "first", tmp_path / "elsewhere")
        again = [text.replace(str(tmp_path / "first"), str(tmp_path / "elsewhere")) for text in network]
    outcome = command("verify", run, "--network", *again)
    assert outcome.status == 0, outcome
    out = tmp_path / "transfer"
    outcome = command("transfer", run, "--network", *again, "--out", out)
    assert outcome.status == 0, outcome
    rows = TRANSFER.read(out).to_pylist()
    white = [row for row in rows if row["white_box"]]
    # With its windows it is the attacked model, without them it is another one.
    assert len(white) == len(tables.read(run).to_pylist()) == len(rows) - len(white)
    assert {row["victim"] for row in white} == {f"{row['victim']}+window" for row in rows if not row["white_box"]}
    assert "differ from what their runs recorded" not in outcome.err


@pytest.mark.parametrize("adapter", NAMES)
def test_another_network_is_named(command, own, tmp_path: Path, adapter: str) -> None:
    run, network = tmp_path / "run", own(adapter, "first")
    assert command("attack", *DATA, *ATTACK, *network, f"run.dir={run}").status == 0
    other = [*own(adapter, "second"), *(["victim.options={width:5}"] if adapter == "python" else [])]
    outcome = command("verify", run, "--network", *other)
    assert outcome.status == 1, outcome
    name = other[1].partition("=")[2]
    first = outcome.out.splitlines()[0]
    assert first.startswith("network: weights_sha256: environment.json says ")
    assert f", those of {name} are " in first
    outcome = command("transfer", run, "--network", *other, "--out", tmp_path / "out")
    assert outcome.status == 0, outcome
    assert f"note: {run}: no white box (network: weights_sha256: environment.json says " in outcome.err


class Shifted(nn.Module):
    """A network without weights, whose shift is no tensor of its TorchScript file but a part of the code."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, images: Tensor) -> Tensor:
        moved = images.sum(1, keepdim=True) - self.shift
        return torch.cat([moved, -moved, moved * 0.5], 1)


def test_the_same_tensors_in_another_program(command, tmp_path: Path) -> None:
    for name, shift in (("one", 1.4), ("other", 1.6)):
        torch.jit.script(Shifted(shift)).save(str(tmp_path / f"{name}.ts"))
    shutil.copy(tmp_path / "one.ts", tmp_path / "copy.ts")
    run, program = tmp_path / "run", f"victim.program={tmp_path}/"
    outcome = command("attack", *DATA, *ATTACK, "victim=torchscript", f"{program}one.ts", f"run.dir={run}")
    assert outcome.status == 0, outcome
    outcome = command("verify", run, "--network", f"{program}copy.ts")
    assert outcome.status == 0, outcome
    outcome = command("verify", run, "--network", f"{program}other.ts")
    assert outcome.status == 1, outcome
    lines = outcome.out.splitlines()[:2]
    assert [line.split(": ")[1] for line in lines] == ["weights_sha256", "program_sha256"]
    assert f"that of {tmp_path}/other.ts is {file_sha256(tmp_path / 'other.ts')}" in lines[1]
    network = ("--network", "victim=torchscript", f"{program}other.ts")
    outcome = command("transfer", run, *network, "--out", tmp_path / "out")
    assert outcome.status == 0, outcome
    assert not any(row["white_box"] for row in TRANSFER.read(tmp_path / "out").to_pylist())
    RunFolder(run).update_environment(program_sha256="0" * 64)
    outcome = command("verify", run, "--network", f"{program}one.ts")
    assert outcome.out.startswith("network: program_sha256: environment.json says 000"), outcome
