"""A folder made to attack its reader: no process, no connection, no file outside, no variable, and one line."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.__main__ import main
from tests.cli.hostile.configurations import CONFIGURATIONS
from tests.cli.hostile.files import FILES
from tests.cli.hostile.planting import ESCAPES, SECRET, edit_config
from tests.fixtures.audit_watch import watched

COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "resume": lambda run, out: ["run", f"run.resume={run}"],
    "verify": lambda run, out: ["verify", str(run)],
    "report": lambda run, out: [
        "report", str(run), *map(str, run.glob("card.json")), "--out", str(out / "page.html")
    ],
    "transfer": lambda run, out: [
        "transfer", str(run), "--victims", str(run / "checkpoints" / "best.ckpt"), "--out", str(out / "transfer")
    ],
    "export": lambda run, out: ["export", str(run), "--attack", "asma", "--card", str(out / "card.json")],
    "victims import": lambda run, out: ["victims", "import", str(run / "hub"), "--out", str(out / "imported.ckpt")],
    "convert": lambda run, out: [
        "convert", str(run / ("released.pt" if os.path.lexists(run / "released.pt") else "checkpoints/best.ckpt")),
        "--out", str(out / "converted.ckpt"),
    ],
    "dashboard": lambda run, out: ["dashboard", str(run), "--dry-run", "--out", str(out / "dashboard.json")],
}  # fmt: skip
PLANTS = CONFIGURATIONS | FILES
_SECONDS = 20  # for one command on a busy machine
_VALUE = "the-value-of-a-planted-variable"


@pytest.fixture
def handed_over(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run that has logged to Weights & Biases, as somebody hands it over."""

    def copy(source: str, target: str) -> None:
        # What is planted replaces a checkpoint and does not write into it.
        (os.link if source.endswith(".ckpt") else shutil.copy)(source, target)

    run = Path(
        shutil.copytree(small_run, tmp_path / "run", copy_function=copy, ignore=shutil.ignore_patterns("report.html"))
    )
    edit_config(run, lambda config: config.update(loggers={"wandb": {"project": "theirs"}}))
    (run / "wandb").mkdir()
    return run


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, _VALUE)


def _files(folder: Path) -> Iterator[Path]:
    return (
        path for path in folder.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size < 10**8
    )


def _opened(capfd: pytest.CaptureFixture[str], run: Path, out: Path, command: str) -> None:
    """Run a command on the folder, and look at what it has done."""
    before, began = set(sys.modules), time.monotonic()
    capfd.readouterr()
    with watched(run, out, out.with_name("temporary")) as watch:
        status = main(COMMANDS[command](run, out))
    shown = "".join(capfd.readouterr())
    assert time.monotonic() - began < _SECONDS
    assert watch.deeds == []
    assert SECRET not in watch.variables
    assert _VALUE not in shown
    assert not any(_VALUE.encode() in path.read_bytes() for path in [*_files(out), *_files(run)])
    new = [sys.modules[name] for name in set(sys.modules) - before]
    assert not [one for one in new if str(getattr(one, "__file__", "") or "").startswith(str(run))]
    assert not list(run.parent.rglob("owned*"))
    assert "Traceback" not in shown
    assert not set(ESCAPES) - {"\n", "\r"} - set(map(chr, range(32, 127))) & set(shown)
    if status == 2:
        errors = [line for line in shown.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, shown
    assert status in (0, 1, 2, 3), shown


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.slow
@pytest.mark.parallel
def test_every_command_on_every_folder(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    handed_over: Path,
    tmp_path: Path,
    secret: None,
    plant: str,
    command: str,
) -> None:
    PLANTS[plant](handed_over)
    (tmp_path / "out").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))  # where programs may write
    _opened(capfd, handed_over, tmp_path / "out", command)
