"""Paths on the command line: home, names that need quotes, and nothing left behind by what is refused."""

import sys
from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.cli.launch import find_command
from benchmark.cli.parsers import COMMANDS
from benchmark.config.compose import compose
from benchmark.config.groups import add_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_that_is_a_path_knows_home(command: str, home: Path) -> None:
    for action in find_command(command).parser(command)._actions:
        if action.metavar in {"RUN", "FILE", "FOLDER", "DIR", "PATH", "CKPT", "TARGET"}:
            assert action.type is not None, action.metavar
            assert str(action.type("~/x")) == str(home / "x"), action.metavar


@pytest.mark.parametrize(
    "key", ["run.dir", "run.resume", "victim.ckpt", "data.root", "data.splits", "target.path", "victim.program"]
)
def test_every_key_that_is_a_path_knows_home(key: str, home: Path) -> None:
    (home / "x").touch()
    choices = ["data=folder", "data.root=/d", "target=mask_file", "target.path=/t"]
    node = compose([*choices, "victim=torchscript", "victim.program=/p", f"{key}=~/x"])
    for part in key.split("."):
        node = node[part]
    assert node == str(home / "x")


def test_home_is_understood_in_the_users_own_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.config.groups._further", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    (home / "conf" / "data").mkdir(parents=True)
    text = "defaults: [folder, _self_]\nroot: ~/pictures\nsplits: lists\n"
    (home / "conf" / "data" / "of_mine.yaml").write_text(text)
    add_folder(home / "conf")
    assert compose(["data=of_mine"]).data.root == str(home / "pictures")


REFUSED = {
    "run.dir=2026_11_29": "run.dir=2026_11_29: is read as 20261129",
    "run.name=1e3": "run.name=1e3: is read as 1000.0",
    "run.dir=": "is empty; give a folder",
    "run.dir=new/parents/run": "data.batch_size=0: must be at least 1",
    "run.dir=~/new/run": "data.batch_size=0: must be at least 1",
    "run.dir=a//b/..": "data.batch_size=0: must be at least 1",
    'run.dir="sp ace/[x]=,é"': "data.batch_size=0: must be at least 1",
    "hydra.job.chdir=true": "relative paths would be looked up in the run's folder; leave it out",
    "hydra.run.dir=x": "the folder of a run is run.dir; give that",
    "run.dir=/proc/nothing/run": "nothing can be written there",
    "run.dir=/dev/null/run": "nothing can be written there",
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_refused_run_leaves_nothing_behind(override: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", override, "data.batch_size=0"]) == 2
    error = capsys.readouterr().err
    assert REFUSED[override] in error
    assert error.count("\n") == 1
    assert [*Path().iterdir(), *home.iterdir()] == []
