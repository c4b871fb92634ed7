"""A folder made to attack its reader: no process, no connection, no file outside, no variable, and one line."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.__main__ import main
from tests.cli.hostile.configurations import CONFIGURATIONS
from tests.cli.hostile.files import FILES
from tests.cli.hostile.opened import COMMANDS, SECRET_VALUE, copy_of
from tests.cli.hostile.planting import ESCAPES, SECRET
from tests.fixtures.audit_watch import watched

PLANTS = CONFIGURATIONS | FILES
_SECONDS = 60  # for one command on a busy machine; the folders hold what would take for ever


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, SECRET_VALUE)


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
    assert SECRET_VALUE not in shown
    assert not any(SECRET_VALUE.encode() in path.read_bytes() for path in [*_files(out), *_files(run)])
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
    small_run: Path,
    tmp_path: Path,
    secret: None,
    plant: str,
    command: str,
) -> None:
    run = copy_of(small_run, tmp_path / "run")
    PLANTS[plant](run)
    (tmp_path / "out").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))  # where programs may write
    _opened(capfd, run, tmp_path / "out", command)
