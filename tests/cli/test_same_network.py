"""One network in each of its forms: equal rows in float64, and `verify` and `transfer` take each form."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables
from benchmark.victims import adapters
from tests.victims.adapters.own_networks import WRITERS, to_onnx

DATA = ("data=synthetic", "data.classes=3", "data.n_test=2", "data.size=32", "trainer=cpu", "target.max_iou=null")
ATTACK = ("attack=[asma,pgd]", "engine.max_passes=6", "run.montage=0", "engine.precision=64")
OTHER = {"run", "victim", "weights_sha256", "seconds"}  # columns that differ between the forms
SIDE = 32

FACTORY = """
import torch
from benchmark.victims import adapters

def unet():
    import segmentation_models_pytorch as smp
    torch.manual_seed(0)
    return smp.Unet("resnet18", encoder_weights=None, classes=3).eval()

def monai():
    return adapters.make("monai", KEYS, 3, 3).eval()

def hugging_face():
    return adapters.make("hugging_face", KEYS, 3, 3).eval()
"""


@pytest.fixture
def forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, list[str]]]:
    """Writes a network in all its forms; returns the overrides that choose each."""

    def write(kind: str) -> dict[str, list[str]]:
        keys = {} if kind == "unet" else WRITERS[kind](tmp_path)
        stride = keys.pop("stride", None)
        if kind == "hugging_face":  # ONNX has no resizing that is antialiased as torch's is
            described = Path(keys["folder"]) / "preprocessor_config.json"
            described.write_text(json.dumps(json.loads(described.read_text()) | {"do_resize": False}))
        (tmp_path / f"forms_of_{kind}.py").write_text(FACTORY.replace("KEYS", repr(keys)))
        monkeypatch.syspath_prepend(tmp_path)
        network = adapters.make("python", {"factory": f"forms_of_{kind}:{kind}"}, 3, 3).double()
        result = {"python": ["victim=python", f"victim.factory=forms_of_{kind}:{kind}"], **programs(network, tmp_path)}
        if kind != "unet":
            result[kind] = [f"victim={kind}", *(override(name, value) for name, value in keys.items())]
            result[kind] += [] if stride is None else [f"victim.stride={stride}"]
        return result

    return write


def override(name: str, value: Any) -> str:
    pairs = "{" + ",".join(f"{key}:{part}" for key, part in value.items()) + "}" if isinstance(value, dict) else value
    return f"victim.{name}={pairs}".replace(" ", "")


def programs(network: nn.Module, folder: Path) -> dict[str, list[str]]:
    """The files of the float64 network, with the overrides that choose them."""
    images = torch.rand(2, 3, SIDE, SIDE, dtype=torch.float64)
    network(images)  # what a network does at its first images only is in no program
    torch.jit.trace(network, images, check_trace=False).save(str(folder / "one.ts"))
    torch.export.save(torch.export.export(network, (images,)), folder / "one.pt2")
    to_onnx(network, folder / "one.onnx", torch.float64)
    places = {"torchscript": "one.ts", "exported": "one.pt2", "onnx": "one.onnx"}
    return {name: [f"victim={name}", f"victim.program={folder / file}"] for name, file in places.items()}


def differing(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> set[str]:
    assert len(rows) == len(others)
    pairs = [(row, other, name) for row, other in zip(rows, others, strict=True) for name in row.keys() - OTHER]
    return {name for row, other, name in pairs if not same(row[name], other[name])}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("kind", ["unet", "monai", "hugging_face"])
def test_each_form_has_the_same_rows(command, forms, tmp_path: Path, kind: str) -> None:
    rows: dict[str, list[dict[str, Any]]] = {}
    networks = forms(kind)
    for form, chosen in networks.items():
        run = tmp_path / form
        outcome = command("attack", *DATA, *ATTACK, *chosen, f"run.dir={run}")
        assert outcome.status == 0, (form, outcome.err)
        rows[form] = sorted(tables.read(run).to_pylist(), key=lambda row: (row["attack"], row["id"]))
        outcome = command("verify", run, "--network", *chosen)
        assert outcome.status == 0, (form, outcome)
    assert len(rows["python"]) == 4
    assert {form: differing(rows["python"], found) for form, found in rows.items()} == {form: set() for form in rows}
    given = [text for chosen in networks.values() for text in ("--network", *chosen)]
    outcome = command("transfer", tmp_path / "python", *given, "--out", tmp_path / "shown")
    assert outcome.status == 0, outcome
    shown = TRANSFER.read(tmp_path / "shown").to_pylist()
    scores: dict[str, dict[Any, Any]] = {}
    for row in shown:
        scores.setdefault(row["victim"], {})[row["attack"], row["id"]] = row["adv8_iou_truth"]
    assert len(scores) >= len(networks) - (kind != "unet")  # python and its library's form have the same weights
    first = next(iter(scores.values()))
    assert all(found == pytest.approx(first, rel=1e-9) for found in scores.values())
