"""Lock files from strangers: what is no file, and what they say."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.runs.lock import FolderLock
from benchmark.runs.lock_file import LockFile, lock_text
from benchmark.runs.process_identity import ProcessIdentity


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)):
        make(tmp_path / "run.lock")
        with pytest.raises(InputError, match=r"run\.lock: is no lock that a run has made .*; remove it"):
            FolderLock(tmp_path, "run").acquire()
        assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
        (tmp_path / "run.lock").rmdir() if make is os.mkdir else (tmp_path / "run.lock").unlink()


def test_a_lock_from_a_stranger_prints_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    path.write_text(lock_text("0" * 8, "attack", [replace(ProcessIdentity.own(), host="\x1b[2J", boot="another")]))
    assert LockFile.read(path).owner() == "another process"  # type: ignore[union-attr]
