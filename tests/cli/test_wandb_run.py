"""logger=wandb through the command: what is in the run's own log, and that nothing depends on it."""

import json
from pathlib import Path

import pytest

from benchmark.runs import tables
from tests.tracking.wandb import wandb_log
from tests.tracking.wandb.offline_client import clean_client

SMOKE = ("experiment=smoke", "trainer=cpu", "engine.max_passes=null", "attacks.asma.max_steps=10")


def test_an_offline_run_holds_everything(command, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with clean_client(tmp_path, WANDB_MODE="offline"):
        outcome = command("run", *SMOKE, "logger=wandb", "seed=3", f"run.dir={folder}")
    assert outcome.status == 0, outcome.err
    found = wandb_log.records(folder)
    (run,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert (run.project, run.run_group) == ("segmentation-attacks", "smoke")
    config = wandb_log.updates(found, "config")
    assert config["seed"] == 3
    assert config["attacks"]["asma"]["max_steps"] == 10
    assert config["victim"]["architecture"] == "unet"

    rows = tables.read(folder).to_pylist()
    history = wandb_log.history(found)
    assert len([row for row in history if "val/iou" in row]) == 2
    steps = max(row["steps"] for row in rows)
    assert [row["attack/asma/step"] for row in history if "attack/asma/step" in row] == list(range(steps))
    artifacts = [record.artifact for record in found if record.WhichOneof("record_type") == "artifact"]
    assert {"rows", "model"} <= {artifact.type for artifact in artifacts}
    (table,) = [
        json.loads(Path(entry.local_path).read_text())
        for artifact in artifacts
        for entry in artifact.manifest.contents
        if entry.path == "attack/asma/images.table.json"
    ]
    column = {name: index for index, name in enumerate(table["columns"])}
    assert [line[column["id"]] for line in table["data"]] == [row["id"] for row in rows]
    assert [line[column["l2"]] for line in table["data"]] == pytest.approx([row["l2"] for row in rows])

    summary = wandb_log.updates(found, "summary")
    written = json.loads((folder / "summary.json").read_text())
    assert summary["attack/asma/adv8_iou_target/mean"] == written["adv8_iou_target"]["mean"]
    assert summary["attack/asma/success8_rate"] == written["success8_rate"]
    exits = [record.exit.exit_code for record in found if record.WhichOneof("record_type") == "exit"]
    assert exits == [0]


def test_without_key_or_network_the_run_goes_on(command, trained: Path, tmp_path: Path, caplog) -> None:
    folder = tmp_path / "run"
    smoke = (
        "experiment=smoke",
        "trainer=cpu",
        "engine.max_passes=null",
        f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}",
    )
    with clean_client(tmp_path):
        outcome = command("attack", *smoke, "logger=wandb", "attacks.asma.max_steps=1", f"run.dir={folder}")
    assert outcome.status == 0, outcome.err
    assert tables.read(folder).num_rows == 4
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("benchmark.")]
    assert "offline (no API key for " in said
    assert f"wandb sync {folder}/wandb/offline-run-*" in said
    assert len(list((folder / "wandb").glob("offline-run-*/run-*.wandb"))) == 1


def test_a_sweep_logs_a_run_each(command, trained: Path, tmp_path: Path) -> None:
    smoke = (
        "experiment=smoke",
        "trainer=cpu",
        "engine.max_passes=null",
        f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}",
    )
    with clean_client(tmp_path, WANDB_MODE="offline"):
        options = ("logger=wandb", "run.montage=0", "attacks.asma.max_steps=1,2", f"run.dir={tmp_path / 'sweep'}")
        outcome = command("attack", "-m", *smoke, *options)
    assert outcome.status == 0, outcome.err
    for job, steps in (("0", 1), ("1", 2)):
        found = wandb_log.records(tmp_path / "sweep" / job)
        assert wandb_log.updates(found, "config")["attacks"]["asma"]["max_steps"] == steps
        assert max(tables.read(tmp_path / "sweep" / job)["steps"].to_pylist()) <= steps
