"""A logger that raises in every method costs a run nothing."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from benchmark.runs import tables

FILES = Path(__file__).parent / "broken_loggers"


def test_a_run_with_it_ends_well_and_whole(
    command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = shutil.copytree(FILES, tmp_path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("benchmark.config.groups._further", [])
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "run"
    options = (
        "experiment=smoke",
        "trainer=cpu",
        "engine.max_passes=6",
        "logger=[broken,tensorboard]",
        f"run.dir={folder}",
    )
    outcome = command("run", *options, "--config-dir", own)
    assert sys.modules.pop("broken_logger").Broken
    assert outcome.status == 0, outcome.err
    (said,) = [record.getMessage() for record in caplog.records if record.name.startswith("benchmark.")]
    assert said.startswith("logger broken: ")
    assert "failed, the run goes on (OSError: no space left for " in said
    assert tables.read(folder).num_rows == 4
    assert (folder / "records.parquet").is_file()
    assert json.loads((folder / "summary.json").read_text())["images"] == 4
    assert (folder / "checkpoints" / "best.ckpt").is_file()
    assert (folder / "montage.png").is_file()
    # Nor does it cost the others anything.
    assert (folder / "metrics.csv").read_text().count("\n") > 2
    assert list((folder / "tensorboard").glob("*.attacks"))
