"""What a run says of itself is damaged: it is made again where something else stands for it, else named with a cure."""

import json
import os
from pathlib import Path
from random import Random

import pytest

from benchmark.runs import tables
from tests.fixtures.damage import DAMAGE
from tests.fixtures.small_double import SMALL


@pytest.mark.parametrize(
    ("name", "how"), [("config.yaml", "cut"), ("config.yaml", "flipped"), ("splits.json", "deleted")]
)
def test_what_follows_from_the_command_is_made_again(command, damaged: Path, name: str, how: str) -> None:
    before, rows = (damaged / name).read_bytes(), tables.read(damaged)
    DAMAGE[how](damaged / name, Random(4))
    outcome = command("run", f"run.resume={damaged}")
    assert outcome.status == 0, outcome.err
    assert f"warning: {damaged / name}: " in outcome.err
    assert "it is made again" in outcome.err
    assert "attacking 0 images" in outcome.out
    if name == "splits.json":
        assert (damaged / name).read_bytes() == before
    assert tables.read(damaged) == rows
    assert command("verify", damaged).status == 0
    assert command("report", damaged).status == 0


def test_an_environment_that_was_changed_is_made_again(command, damaged: Path) -> None:
    file = damaged / "environment.json"
    text = file.read_text()
    file.write_text(text.replace('"threads": ', '"threads": 1'))
    assert "environment.json: was changed after the run wrote it" in command("verify", damaged).out
    outcome = command("run", f"run.resume={damaged}")
    assert outcome.status == 0, outcome.err
    assert f"warning: {file}: was changed after the run wrote it; it is made again" in outcome.err
    assert json.loads(file.read_text())["threads"] == json.loads(text)["threads"]
    assert command("verify", damaged).status == 0
    file.write_text(file.read_text().replace('"data_fingerprint": "', '"data_fingerprint": "0'))
    (line,) = command("run", f"run.resume={damaged}").err.splitlines()
    assert "the data have changed since the run began" in line
    assert f"the command that began the run, with run.dir={damaged}, makes it again" in line


def test_the_command_makes_the_environment_again(command, damaged: Path) -> None:
    rows = tables.read(damaged)
    file = damaged / "environment.json"
    text = file.read_text()
    file.unlink()
    refused = command("run", f"run.resume={damaged}")
    (line,) = refused.err.splitlines()
    assert refused.status == 2
    assert line.startswith(f"error: {file}: ")
    assert line.endswith(f"give the command that began the run, with run.dir={damaged}; it makes the file again")
    outcome = command("run", *SMALL, f"run.dir={damaged}")
    assert outcome.status == 0, outcome.err
    assert "training unet" not in outcome.out
    assert "attacking 0 images" in outcome.out
    assert tables.read(damaged) == rows
    now, before = json.loads(file.read_text()), json.loads(text)
    same = ("weights_sha256", "checkpoint_sha256", "data_fingerprint", "config_sha256", "settings_sha256", "seed")
    assert {name: now[name] for name in same} == {name: before[name] for name in same}
    assert command("verify", damaged).status == 0


def test_rows_without_configuration_and_environment_are_of_an_unknown_run(command, damaged: Path) -> None:
    for name in ("config.yaml", "environment.json"):
        (damaged / name).unlink()
    for given in ((f"run.resume={damaged}",), (*SMALL, f"run.dir={damaged}")):
        outcome = command("run", *given)
        assert outcome.status == 2
        assert len(outcome.err.splitlines()) == 1


def test_settings_of_another_run_stand_for_no_configuration(command, damaged: Path) -> None:
    (damaged / "config.yaml").write_bytes(b"")
    outcome = command("run", f"run.resume={damaged}", "judge.value=0.4")
    assert outcome.status == 2
    assert "give the settings that the run began with" in outcome.err
    assert not os.path.lexists(damaged / "set_aside")


@pytest.mark.parametrize("how", ["deleted", "emptied", "cut", "flipped"])
def test_a_lost_victim_is_named(command, damaged: Path, how: str) -> None:
    file = damaged / "checkpoints" / "best.ckpt"
    DAMAGE[how](file, Random(5))
    outcome = command("run", f"run.resume={damaged}")
    assert outcome.status == 2
    assert outcome.err.splitlines()[-1].startswith(f"error: {'no checkpoint at ' * (how == 'deleted')}{file}")
    assert "copy its best.ckpt here" in outcome.err
    assert command("verify", damaged).status in (1, 2)
