"""`dashboard` on the folder of a real run: what it names is what the run's own log holds, and nobody is asked."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.tracking.wandb import wandb_log
from tests.tracking.wandb.offline_client import clean_client
from tests.tracking.wandb.saving_server import saving_server
from tests.tracking.wandb.specification import named, panels


@pytest.fixture(scope="module")
def found(logged: Path) -> list[Any]:
    return wandb_log.records(logged)


@pytest.fixture
def specification(command, logged: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """As printed, without a key and without a network."""

    def refuse(*_: Any) -> None:
        raise AssertionError("no network is needed")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    outcome = command("dashboard", logged, "--dry-run")
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    return json.loads(outcome.out)


def test_all_that_it_names_is_in_the_runs_log(specification: dict[str, Any], found: list[Any]) -> None:
    history = wandb_log.history(found)
    numbers = {key for key, value in wandb_log.updates(found, "summary").items() if isinstance(value, int | float)}
    media = {(key.removesuffix("/_type"), row[key]) for row in history for key in row if key.endswith("/_type")}
    logged = {
        "curve": {key for row in history for key, value in row.items() if isinstance(value, int | float)},
        "number": numbers,
        "image": {key for key, kind in media if kind == "image-file"},
        "table": {key for key, kind in media if kind == "table-file"},
        "chart": {key for key, kind in media if kind == "table-file"},
    }
    names = named(specification)
    assert {one for one in names if one.key not in logged[one.kind]} == set()
    assert {one.kind for one in names} == set(logged)
    assert len(names) > 150
    for part in specification.values():
        assert {one.kind for one in named(part)} >= {"curve", "number", "image", "table"}


def test_axes_of_curves_are_those_the_log_ties_them_to(specification: dict[str, Any], found: list[Any]) -> None:
    tied = {
        record.metric.name: record.metric.step_metric
        for record in found
        if record.WhichOneof("record_type") == "metric" and record.metric.step_metric
    }
    plots = [p["config"] for p in panels(specification) if p["viewType"] == "Run History Line Plot"]
    checked = [(tied[key], plot["xAxis"]) for plot in plots for key in plot["metrics"] if key in tied]
    assert len(checked) > 50
    assert {(step, axis) for step, axis in checked if step != axis} == set()


def test_every_attack_and_every_metric_of_training_has_panels(
    specification: dict[str, Any], logged: Path, found: list[Any]
) -> None:
    keys = {key for _, key in named(specification["workspace"])}
    attacks = [one["attack"] for one in json.loads((logged / "summary.json").read_text())["attacks"]]
    assert len(attacks) == 5
    for attack in (name.replace(".", "_") for name in attacks):
        wanted = ("success8_rate", "clean_iou_truth/mean", "adv8_iou_truth/mean", "iou", "images", "image/l2")
        assert {f"attack/{attack}/{path}" for path in wanted} <= keys
    # Where any image has succeeded there are norms.
    assert {f"attack/pgd@16/{name}/median" for name in ("l2", "linf", "psnr", "success_passes")} <= keys
    training = {key for row in wandb_log.history(found) for key in row if key.startswith(("train/", "val/"))}
    assert len(training) == 5
    assert training <= keys


def test_runs_below_runs_are_taken_by_themselves(
    command, logged: Path, specification: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ours = tmp_path / "runs" / "sweep" / "2026-01-01" / "0"
    ours.mkdir(parents=True)
    for part in logged.iterdir():
        if part.name not in ("adversarial", "predictions", "pictures", "checkpoints"):
            (shutil.copytree if part.is_dir() else shutil.copy)(part, ours / part.name)
    config = OmegaConf.load(logged / "config.yaml")
    config.loggers.wandb.project = "another"
    other = tmp_path / "runs" / "other" / "2026-01-01"
    (other / "wandb").mkdir(parents=True)
    (other / "metrics.csv").write_text("epoch,step,val/iou\n")
    OmegaConf.save(config, other / "config.yaml")
    (tmp_path / "runs" / "local").mkdir()
    shutil.copy(logged / "config.yaml", tmp_path / "runs" / "local")  # has logged nothing
    outcome = command("dashboard", "--dry-run", "--out", "found.json")
    assert (outcome.status, outcome.out) == (0, "specification found.json\n"), outcome.err
    assert json.loads((tmp_path / "found.json").read_text()) == specification
    outcome = command("dashboard", "--dry-run", "--project", "another", "--entity", "team")
    assert outcome.status == 0, outcome.err
    assert json.loads(outcome.out)["workspace"]["entity"] == "team"
    assert {key for _, key in named(json.loads(outcome.out))} == {"val/iou", "trainer/global_step"}


def test_a_run_that_is_going_on_has_its_training(command, logged: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "wandb").mkdir(parents=True)
    shutil.copy(logged / "config.yaml", folder)
    line = _refused(command, folder, "--dry-run")
    assert line == f"error: {folder}: has neither trained nor attacked yet; wait for it, or give another run"
    shutil.copy(logged / "metrics.csv", folder)
    outcome = command("dashboard", folder, "--dry-run")
    assert outcome.status == 0, outcome.err
    assert not any(key.startswith("attack/") for _, key in named(json.loads(outcome.out)))


def _refused(command, *arguments: Any) -> str:
    outcome = command("dashboard", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    return line


def test_without_runs_it_says_what_to_give(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = _refused(command, "--dry-run")
    assert line.startswith("error: no run below runs/ logs to project segmentation-attacks; make one with ")


def test_what_is_no_run_with_a_log_is_named(command, logged: Path, trained: Path, tmp_path: Path) -> None:
    assert f"{tmp_path / 'none'}: is no run's folder" in _refused(command, tmp_path / "none", "--dry-run")
    assert f"{trained}: logs nothing to Weights & Biases; give a run made with" in _refused(
        command, trained, "--dry-run"
    )
    line = _refused(command, logged, "--project", "other", "--dry-run")
    assert f"{logged}: logs to project segmentation-attacks, not other" in line


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.yaml", "loggers: [1", "config.yaml: cannot be read"),
        ("config.yaml", "loggers: {}", "run: logs nothing to Weights & Biases; give a run made with"),
        ("summary.json", "{", "summary.json: cannot be read"),
        ("summary.json", '{"images": 4}', "summary.json: names no attacks"),
        ("metrics.csv", "\0\xff", "metrics.csv: cannot be read"),
    ],
)
def test_files_that_a_run_did_not_write(command, logged: Path, tmp_path: Path, name: str, text: str, said: str) -> None:
    folder = tmp_path / "run"
    (folder / "wandb").mkdir(parents=True)
    for kept in ("config.yaml", "summary.json", "records.parquet"):
        shutil.copy(logged / kept, folder)
    (folder / name).write_bytes(text.encode("latin-1"))
    line = _refused(command, folder, "--dry-run")
    assert said in line
    assert str(folder) in line


def test_out_is_for_a_dry_run_and_has_to_be_writable(command, logged: Path, tmp_path: Path) -> None:
    assert "--out says where the specification goes; give it with --dry-run" in _refused(command, logged, "--out", "x")
    line = _refused(command, logged, "--dry-run", "--out", tmp_path / "none" / "x.json")
    assert "x.json: cannot be written: No such file or directory" in line


def test_without_a_key_it_says_so(command, logged: Path, tmp_path: Path) -> None:
    with clean_client(tmp_path, WANDB_BASE_URL="http://127.0.0.1:9"):
        line = _refused(command, logged)
    assert line == (
        "error: dashboard: no connection to Weights & Biases (no API key for 127.0.0.1); set WANDB_API_KEY where there "
        "is a network, or give --dry-run for the specification"
    )
    with clean_client(tmp_path, WANDB_MODE="disabled"):
        assert "no connection to Weights & Biases (WANDB_MODE is disabled)" in _refused(command, logged)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, dict[str, Any]]]:
    """What the client has saved, by type."""
    with saving_server(tmp_path) as saved:
        yield saved


def test_what_is_saved_is_the_specification_and_its_address_is_printed(
    command, logged: Path, specification: dict[str, Any], monkeypatch: pytest.MonkeyPatch, server
) -> None:
    monkeypatch.undo()  # the specification's ban of the network
    outcome = command("dashboard", logged)
    assert outcome.status == 0, outcome.err
    workspace, report = outcome.out.splitlines()
    assert workspace.startswith("workspace http://127.0.0.1:")
    assert "/team/segmentation-attacks?nw=" in workspace
    assert "/team/segmentation-attacks/reports/Attacks-compared--" in report
    assert set(server) == {"project-view", "runs"}
    assert json.loads(server["project-view"]["spec"]) == specification["workspace"]["spec"]
    written = json.loads(server["runs"]["spec"])
    for block in written["blocks"]:
        for runs in block.get("metadata", {}).get("runSets", ()):
            # What only the server knows; without it the runs are those of the report's project.
            assert runs.pop("project")["name"] == "segmentation-attacks"
    assert written == specification["report"]["spec"]


def test_a_project_that_is_not_there_is_one_line(command, logged: Path, tmp_path: Path, server) -> None:
    folder = tmp_path / "run"
    (folder / "wandb").mkdir(parents=True)
    config = OmegaConf.load(logged / "config.yaml")
    config.loggers.wandb.project = "another"
    OmegaConf.save(config, folder / "config.yaml")
    shutil.copy(logged / "metrics.csv", folder)
    line = _refused(command, folder, "--entity", "team")
    assert line.startswith("error: dashboard: cannot be saved in project another of team: Run set ")
    assert "upload a run first (wandb sync), and check --project, --entity and the key" in line
    assert server == {}
