"""One network in each of its forms: equal rows in float64, and `verify` and `transfer` take each form."""

import functools
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
from tests.victims.adapters.own_networks import WRITERS
from tests.victims.monai_bundle.bundles import PREPROCESSING, bundle, configuration

DATA = ("data=synthetic", "data.n_test=2", "data.size=32", "trainer=cpu", "target.max_iou=null")
ATTACK = ("attack=[asma,pgd]", "engine.max_passes=6", "run.montage=0", "engine.precision=64")
OTHER = {"run", "victim", "weights_sha256", "seconds"}  # columns that differ between the forms
SIDE = 32

NORMALISE = {"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 0.5, "divisor": 0.25}

FACTORY = """
import torch
from benchmark.victims import adapters

def network():
    return adapters.make(ADAPTER, KEYS, 3, CLASSES).eval()

def unet():
    import segmentation_models_pytorch as smp
    torch.manual_seed(0)
    return smp.Unet("resnet18", encoder_weights=None, classes=CLASSES).eval()
"""


@pytest.fixture
def forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], dict[str, list[str]]]:
    """Writes a network in all its forms; returns the overrides that choose each."""

    def write(kind: str, classes: int) -> dict[str, list[str]]:
        adapter, keys = at_home(kind, tmp_path)
        stride = keys.pop("stride", None)
        named = {"ADAPTER": adapter, "KEYS": keys, "CLASSES": classes}
        code = functools.reduce(lambda text, name: text.replace(name, repr(named[name])), named, FACTORY)
        (tmp_path / f"forms_of_{kind}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        factory = f"forms_of_{kind}:{'network' if adapter else kind}"
        network = adapters.make("python", {"factory": factory}, 3, classes).double()
        result = {"python": ["victim=python", f"victim.factory={factory}"], **programs(network, tmp_path)}
        if adapter:
            result[adapter] = [f"victim={adapter}", *(override(name, value) for name, value in keys.items())]
            result[adapter] += [] if stride is None else [f"victim.stride={stride}"]
        return result

    return write


def at_home(kind: str, folder: Path) -> tuple[str | None, dict[str, Any]]:
    """The adapter and the keys of a network as its library saves it; none for the network of code alone."""
    if kind == "unet":
        return None, {}
    if kind == "monai_bundle":
        return "monai", {"folder": bundle(folder / "bundle", configuration([*PREPROCESSING, NORMALISE]))}
    keys = WRITERS[kind](folder)
    if kind == "hugging_face":  # ONNX has no resizing that is antialiased as torch's is
        described = Path(keys["folder"]) / "preprocessor_config.json"
        described.write_text(json.dumps(json.loads(described.read_text()) | {"do_resize": False}))
    return kind, keys


def override(name: str, value: Any) -> str:
    pairs = "{" + ",".join(f"{key}:{part}" for key, part in value.items()) + "}" if isinstance(value, dict) else value
    return f"victim.{name}={pairs}".replace(" ", "")


def programs(network: nn.Module, folder: Path) -> dict[str, list[str]]:
    """The files of the float64 network, with the overrides that choose them."""
    images = torch.rand(2, 3, SIDE, SIDE, dtype=torch.float64)
    network(images)  # what a network does at its first images only is in no program
    torch.jit.trace(network, images, check_trace=False).save(str(folder / "one.ts"))
    torch.export.save(torch.export.export(network, (images,)), folder / "one.pt2")
    torch.onnx.export(network, (images,), folder / "one.onnx", dynamo=True, verbose=False)
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
@pytest.mark.parametrize(("kind", "classes"), [("unet", 3), ("monai", 3), ("monai_bundle", 2), ("hugging_face", 3)])
def test_each_form_has_the_same_rows(command, forms, tmp_path: Path, kind: str, classes: int) -> None:
    rows: dict[str, list[dict[str, Any]]] = {}
    networks = forms(kind, classes)
    for form, chosen in networks.items():
        run = tmp_path / form
        outcome = command("attack", *DATA, f"data.classes={classes}", *ATTACK, *chosen, f"run.dir={run}")
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
