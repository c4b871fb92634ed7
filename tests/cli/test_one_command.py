"""A run is gone on with by the command that began it; another one is refused before it has written anything."""

import shutil
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.runs.folder import RunFolder


@pytest.fixture
def begun_by(trained: Path, tmp_path: Path):
    """A copy of a finished run that says it was begun by this command."""

    def copy(command: str | None) -> Path:
        folder = Path(shutil.copytree(trained, tmp_path / "run"))
        assert RunFolder(folder).environment()["command"] == "run"
        RunFolder(folder).update_environment(command=command)
        return folder

    return copy


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("beginner", "command_name"), [("attack", "run"), ("attack", "train"), ("run", "attack"), ("train", "run")]
)
def test_another_command_is_refused(command, begun_by, beginner: str, command_name: str) -> None:
    folder = begun_by(beginner)
    before = _contents(folder)
    outcome = command(command_name, f"run.resume={folder}")
    said = f"error: run.dir={folder} holds a run of `{beginner}`, with which `{command_name}` cannot go on; "
    assert (outcome.status, outcome.err) == (2, f"{said}give `{beginner}`, or another folder\n")
    assert _contents(folder) == before


def test_a_network_of_ones_own_that_was_attacked_is_not_trained(command, tmp_path: Path) -> None:
    folder, own = tmp_path / "run", ("victim=python", "victim.factory=tests.tiny_models:smooth_network")
    settings = ("experiment=smoke", "trainer=cpu", "run.montage=0", "engine.max_passes=8", "data.n_test=2")
    assert command("attack", *settings, *own, f"run.dir={folder}").status == 0
    before = _contents(folder)
    assert command("run", *settings, *own, f"run.dir={folder}").status == 2
    assert _contents(folder) == before


@pytest.mark.parametrize("begun", [None, "verify", ["run"]])
def test_a_folder_that_does_not_say_its_command(command, begun_by, begun: object) -> None:
    outcome = command("run", f"run.resume={begun_by(begun)}")
    assert outcome.status == 2
    (line,) = outcome.err.splitlines()
    assert "environment.json: " in line
    assert "it makes the file again" in line


def test_the_command_is_read_with_the_environment(begun_by) -> None:
    folder = begun_by("publish")
    with pytest.raises(
        InputError, match=r"environment\.json: is not what a run writes \(its command is not run, train or"
    ):
        RunFolder(folder).environment()
