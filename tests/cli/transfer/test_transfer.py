"""`transfer` end to end: what it writes, and what it says of models that it cannot find."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmark.evaluation.scoring import score_prediction
from benchmark.results.transfer_matrix import TRANSFER, TRANSFER_SCHEMA, write_transfer_summary
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.victims.fingerprints import weights_sha256
from benchmark.victims.loading import load_victim
from tests.cli.transfer.conftest import JUDGE, SMOKE
from tests.cli.transfer.own_checkpoint import as_own_network
from tests.synthetic_data import synthetic_data


def _rows(folder: Path) -> list[dict[str, Any]]:
    return TRANSFER.read(folder).to_pylist()


def test_every_picture_is_judged_by_every_model(outcome: Path, attacked: Path, other: Path) -> None:
    assert {path.name for path in outcome.iterdir()} == {"transfer.parquet", "summary.json", "transfer.md"}
    table = TRANSFER.read(outcome)
    assert table.schema.equals(TRANSFER_SCHEMA)
    rows, own = table.to_pylist(), tables.read(attacked).to_pylist()
    keys = {(row["attack"], row["id"], row["victim"]) for row in rows}
    victims = ("fpn_resnet18", "unet_resnet18")
    assert keys == {(row["attack"], row["id"], victim) for row in own for victim in victims}
    assert len(rows) == len(keys) == 16
    assert {row["source_victim"] for row in rows} == {"unet_resnet18"}
    assert {row["source_run"] for row in rows} == {own[0]["run"]}
    hashes = {row["victim"]: row["weights_sha256"] for row in rows}
    assert hashes["fpn_resnet18"] == weights_sha256(load_victim(other))
    assert {row["source_weights_sha256"] for row in rows} == {hashes["unet_resnet18"]}
    assert {(row["attack"], row["family"], row["norm"], round(row["eps"] * 255)) for row in rows} == {
        ("pgd@8", "pgd", "inf", 8),
        ("pgd@32", "pgd", "inf", 32),
    }


def test_the_attacked_model_repeats_its_run(outcome: Path, attacked: Path) -> None:
    own = {(row["attack"], row["id"]): row for row in tables.read(attacked).to_pylist()}
    white = [row for row in _rows(outcome) if row["white_box"]]
    assert {row["victim"] for row in white} == {"unet_resnet18"}
    assert len(white) == len(own)
    for row in white:
        recorded = own[row["attack"], row["id"]]
        for name in (n for n in TRANSFER_SCHEMA.names if n.startswith(("adv8_", "clean_")) and "confusion" not in n):
            assert row[name] == pytest.approx(recorded[name], abs=2e-2), name
        assert (row["success8"], row["l2"]) == (recorded["success8"], pytest.approx(recorded["adv8_l2"], rel=1e-5))
        assert row["source_adv8_iou_target"] == recorded["adv8_iou_target"]
    assert any(row["success8"] for row in white)
    assert json.loads((outcome / "summary.json").read_text())["white_box"]["differing"] == 0


def test_the_other_model_is_judged_on_the_files(outcome: Path, attacked: Path, other: Path) -> None:
    data = synthetic_data(n_train=16, n_val=4, n_test=4, size=32)
    data.setup("test")
    dataset, victim = data.test_dataloader().dataset, load_victim(other)
    for row in _rows(outcome):
        if row["victim"] != "fpn_resnet18":
            continue
        index = data.test_ids().index(row["id"])
        file = np.array(Image.open(RunFolder(attacked).adversarial(row["attack"], row["id"])))
        points = torch.from_numpy(file).permute(2, 0, 1).float() / 255
        clean, item = dataset[index]["image"], dataset[index]
        target = data.mask(row["target"].removeprefix("other_image:"))
        for prefix, image in (("adv8", points), ("clean", clean)):
            with torch.no_grad():
                preds = victim(image[None]).argmax(1)[0]
            scored = score_prediction(preds, item["mask"], target, item["valid"], classes=2, background=0)
            for name in ("iou_target", "iou_truth", "pixel_acc_truth", "dice_truth"):
                assert row[f"{prefix}_{name}"] == pytest.approx(scored[name], abs=2e-2)
        assert row["success8"] == (row["adv8_iou_target"] >= JUDGE)
        assert row["success_clean"] == (row["clean_iou_target"] >= JUDGE)
        assert row["noise8_success"] == (row["noise8_iou_target"] >= JUDGE)
        assert row["linf"] == pytest.approx((points - clean).abs().max().item(), abs=1e-6)
        assert row["noise8_linf"] == pytest.approx(row["linf"], abs=1e-6)
        assert row["white_box"] is False


def test_each_budget_has_its_matrix(outcome: Path) -> None:
    summary = json.loads((outcome / "summary.json").read_text())
    rows = _rows(outcome)
    assert [(table["attack"], round(table["eps"] * 255)) for table in summary["tables"]] == [
        ("pgd@8", 8),
        ("pgd@32", 32),
    ]
    for table in summary["tables"]:
        assert list(table["matrix"]) == ["unet_resnet18"]
        for victim, cell in table["matrix"]["unet_resnet18"].items():
            chosen = [row for row in rows if (row["attack"], row["victim"]) == (table["attack"], victim)]
            assert (cell["images"], cell["white_box"]) == (4, victim == "unet_resnet18")
            assert cell["adv8_iou_target"]["mean"] == pytest.approx(np.mean([row["adv8_iou_target"] for row in chosen]))
    assert summary["models"]["fpn_resnet18"]["given"] is True
    assert summary["models"]["unet_resnet18"]["given"] is False
    assert (
        "**pgd@8 · L∞ ≤ 8/255 · targeted · synthetic (test) · success, 8-bit**" in (outcome / "transfer.md").read_text()
    )


def test_another_run_of_one_architecture_has_a_name_of_its_own(
    command, attacked: Path, trained: Path, tmp_path
) -> None:
    last = tmp_path / "latest.ckpt"
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    # Weights of the last epoch may be those of the best.
    name = next(name for name, value in checkpoint["state_dict"].items() if value.ndim == 4)
    checkpoint["state_dict"][name] = checkpoint["state_dict"][name] * 1.01
    torch.save(checkpoint, last)
    result = command("transfer", attacked, trained, "--victims", last, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    rows = _rows(tmp_path / "out")
    assert {row["victim"] for row in rows} == {f"unet_resnet18 ({trained.name})", "unet_resnet18 (latest)"}
    assert {row["source_victim"] for row in rows} == {f"unet_resnet18 ({trained.name})"}
    assert {row["attack"] for row in rows} == {"asma", "pgd@8", "pgd@32"}
    assert "asma · L2 · targeted · synthetic (test)" in result.out


def test_a_run_whose_model_is_gone_has_no_white_box(command, copied: Path, other: Path, tmp_path: Path) -> None:
    config = OmegaConf.load(copied / "config.yaml")
    config.victim.ckpt = "/nowhere.ckpt"
    OmegaConf.save(config, copied / "config.yaml")
    result = command("transfer", copied, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert (
        f"note: {copied}: no white box ({copied}: has no checkpoints/best.ckpt or at /nowhere.ckpt; give " in result.err
    )
    rows = _rows(tmp_path / "out")
    assert {(row["source_victim"], row["victim"]) for row in rows} == {("unet_resnet18", "fpn_resnet18")}
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["white_box"]["rows"] == 0


def test_a_model_that_does_not_repeat_its_run_is_told(command, copied: Path, other: Path, tmp_path: Path) -> None:
    rows = tables.read(copied).to_pylist()
    (copied / "records.parquet").unlink()
    tables.Writer(copied, tables.RECORDS).append([row | {"adv8_iou_truth": 1.5} for row in rows])
    result = command("transfer", copied, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert "warning: 8 of 8 white-box rows differ from what their runs recorded (IoU by up to 1." in result.err


def test_runs_on_different_data_are_judged_on_their_own(command, attacked: Path, other: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    options = [f"victim.ckpt={other}", "data.seed=1", "data.n_test=3", "engine.max_passes=6", "run.montage=0"]
    assert command("attack", *SMOKE, *options, f"run.dir={second}").status == 0
    result = command("transfer", attacked, second, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    rows = _rows(tmp_path / "out")
    judged = {(row["source_victim"], row["data_fingerprint"], row["victim"]) for row in rows}
    assert len(judged) == 3
    assert {victim for source, _, victim in judged if source == "fpn_resnet18"} == {"fpn_resnet18"}
    (table,) = (
        t for t in json.loads((tmp_path / "out" / "summary.json").read_text())["tables"] if t["attack"] == "asma"
    )
    assert table["clean"]["fpn_resnet18"]["images"] == 3


def test_an_interrupted_transfer_leaves_nothing(
    command, attacked: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return write_transfer_summary(*given, **named)

    monkeypatch.setattr("benchmark.results.transfer_matrix.write_transfer_summary", interrupted)
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "new" / "out", tmp_path / "there"):
        result = command("transfer", attacked, "--victims", other, "--out", out)
        assert result.status == 130
        assert result.err.splitlines()[-1] == "interrupted: nothing was written"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not any((tmp_path / "there").iterdir())


def test_a_run_on_a_network_of_ones_own_has_no_white_box(command, copied: Path, other: Path, tmp_path: Path) -> None:
    path = copied / "checkpoints" / "best.ckpt"
    path.parent.mkdir(exist_ok=True)
    as_own_network(other, path)
    config = OmegaConf.load(copied / "config.yaml")
    config.victim.ckpt = None
    OmegaConf.save(config, copied / "config.yaml")
    result = command("transfer", copied, "--victims", other, "--out", tmp_path / "out")
    assert result.status == 0, result.err
    assert f"no white box ({path}: is of a network of your own; give victim=python" in result.err
