"""The command line before any configuration: help, lists, mistakes, exit statuses; and sweeps."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import __version__
from benchmark.__main__ import main
from benchmark.cli.launch import find_command
from benchmark.cli.parsers import COMMANDS
from benchmark.config.groups import groups, headline, names
from benchmark.errors import Stopped

REPOSITORY = Path(__file__).resolve().parents[1]
_REPORT_IMPORTS = """
import sys
from benchmark.__main__ import main
try:
    status = main(sys.argv[1:])
except SystemExit as stop:
    status = stop.code
heavy = {"torch", "hydra", "omegaconf", "pytorch_lightning", "lightning", "wandb", "wandb_workspaces", "numpy", "PIL"}
heavy &= set(sys.modules)
print(status, sorted(heavy), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["dashboard", "--help"], ["list"], ["list", "attack"], ["--version"]]
)
def test_help_and_lists_import_nothing_heavy(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _REPORT_IMPORTS, *arguments], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert ended.stderr.splitlines()[-1] == "0 []"
    assert ended.stdout


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    out = capsys.readouterr().out
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []


@pytest.mark.parametrize("name", ["run", "train", "attack"])
def test_each_command_has_help_with_examples(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    out = capsys.readouterr().out
    assert f"python -m benchmark {name}" in out
    assert "data.root=PATH" in out


def test_without_a_command_there_is_help_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands\n  run" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"{__version__}\n"


def test_list_shows_every_name_with_its_headline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        *("attack=", "victim=", "data=", "target=", "experiment="),
        *("adversarial_training=", "defence=", "judge=", "logger=", "trainer="),
    ]
    for group in groups():
        for name, path in names(group).items():
            (line,) = [line for line in lines if line.split()[:1] == [name] and headline(path) in line]
            assert line.strip() != name


def test_list_of_one_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "attack"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "attack="
    assert len(lines) == 1 + len(names("attack"))
    assert "arXiv" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runn"], "unknown command 'runn', did you mean run?"),
        (["list", "victm"], "unknown group 'victm', did you mean victim?"),
        (["list", "attack", "victim"], "unknown option victim"),
        (["--versio"], "unknown option --versio, did you mean --version?"),
        (["run", "--shw-config"], "unknown option --shw-config, did you mean --show-config?"),
        (["run", "-x"], "unknown option -x"),
        (["run", "seed"], "'seed' is not KEY=VALUE"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {said}")
    assert captured.out == ""


def test_show_config_prints_what_would_run(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["run", "--show-config", "seed=7", "victim.encoder=resnet34", f"run.dir={tmp_path / 'run'}"]) == 0
    shown = capfd.readouterr().out
    assert "seed: 7" in shown
    assert "encoder: resnet34" in shown
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (Stopped(Stopped.INTERRUPTED), 130, "interrupted\n"),
        (Stopped(Stopped.TERMINATED), 143, "terminated\n"),
        (Stopped(Stopped.TERMINATED, reported=True), 143, ""),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_how_a_command_can_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, status: int, said: str
) -> None:
    def command(**options: object) -> int:
        raise raised

    monkeypatch.setattr("benchmark.cli.list.COMMAND", replace(find_command("list"), run=command))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which `main` replaces for a broken pipe
    assert main(["list"]) == status
    assert capsys.readouterr().err == said


def test_a_failure_of_ours_is_a_traceback_and_status_1() -> None:
    script = "import benchmark.cli.list as l, runpy; l.names = None; runpy.run_module('benchmark', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", script, "list"], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "'NoneType' object is not callable" in ended.stderr
