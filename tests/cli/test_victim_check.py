"""The check of the victim in `attack`, `run` and `victims check`: what it refuses, allows and keeps."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.runs.folder import RunFolder
from tests.fixtures.made_once import made_once

DATA = ("trainer=cpu", "data.size=32", "data.n_train=4", "data.n_val=4", "data.n_test=4")
SHORT = (*DATA, "attack=[pgd,noise]", "engine.max_passes=10", "run.montage=0")


def victim(name: str) -> tuple[str, str]:
    return "victim=python", f"victim.factory=tests.cli.wrong_victims:{name}"


@pytest.fixture(scope="session")
def doubted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished attack on a victim that is refused unless it is allowed."""

    def make(folder: Path) -> None:
        allowed = "victim.allow=[probabilities]"
        assert main(["attack", *SHORT, *victim("probabilities"), allowed, f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "doubted", make) / "run"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("probabilities", "the victim returns probabilities: .*victim.allow=\\[probabilities\\] attacks it as it is"),
        ("depends_on_batch", "depends on the others in the batch.*victim.allow=\\[batch_dependence\\]"),
        ("detached", "no gradient.*victim.allow=\\[no_gradient\\]"),
        ("fails", "RuntimeError: one image at a time \\(wrong_victims.py, line \\d+\\)"),
    ],
)
def test_a_wrong_victim_is_refused_in_one_line_and_leaves_nothing(refused, name: str, said: str) -> None:
    line = refused(*victim(name), name="attack", base=SHORT)
    assert re.search(said, line), line


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[probabilites]", "no finding 'probabilites' refuses a victim, did you mean probabilities?"),
        ("[zero_gradient]", "no finding 'zero_gradient' refuses a victim"),
        ("{a:1}", "victim.allow={a:1}: is of another kind than the key takes, such as a mapping in place of a list"),
        ("probabilities", "victim.allow=probabilities: must be a list, such as victim.allow=[probabilities]"),
    ],
)
def test_only_findings_that_refuse_can_be_allowed(refused, value: str, said: str) -> None:
    assert said in refused(*victim("honest"), f"victim.allow={value}", name="attack", base=SHORT)


def test_an_allowed_finding_stands_wherever_numbers_stand(doubted: Path, command, tmp_path: Path) -> None:
    sentence = "probabilities (allowed): the victim returns probabilities"
    check = RunFolder(doubted).environment()["victim_check"]
    assert check["allowed"] == ["probabilities"]
    assert [(one["name"], one["refused"]) for one in check["findings"]] == [("probabilities", True)]
    text = (doubted / "comparison.md").read_text()
    assert text.count("[doubtful: probabilities]") == 1
    assert sentence in text
    page = (doubted / "report.html").read_text()
    assert f"<li>{sentence}" in page.partition('id="numbers"')[0]
    assert 'tests.cli.wrong_victims:probabilities <a class="bad" href="#victim-check">' in page
    assert '<td data-value="probabilities">probabilities</td>' in page
    card = tmp_path / "card.json"
    assert command("export", doubted, "--attack", "pgd", "--card", card).status == 0
    assert command("report", doubted, card, "--out", tmp_path / "both.html").status == 0
    both = (tmp_path / "both.html").read_text()
    assert both.count(f"<li>{sentence}") == 2
    assert both.count('<td data-value="probabilities') == 3, "two attacks and a card"
    document = json.loads(card.read_text())
    document["provenance"]["victim_check"] = {"findings": "none"}
    card.write_text(json.dumps(document))
    assert "its victim_check is not what a check finds" in command("report", card, "--out", tmp_path / "a.html").err
    outcome = command("verify", doubted, "--factory", "tests.cli.wrong_victims:probabilities")
    assert outcome.status == 0, outcome


def test_a_finding_that_was_removed_is_named(doubted: Path, command, tmp_path: Path) -> None:
    folder = RunFolder(shutil.copytree(doubted, tmp_path / "run"))
    folder.update_environment(victim_check=folder.environment()["victim_check"] | {"findings": []})
    factory = ("--factory", "tests.cli.wrong_victims:probabilities")
    outcome = command("verify", folder.path, *factory)
    assert outcome.status == 1, outcome
    assert "environment.json: victim_check: recorded none, found probabilities" in outcome.out
    folder.write_environment({k: v for k, v in folder.environment().items() if k != "victim_check"})
    assert "says nothing of the check of its victim" in command("verify", folder.path, *factory).out


def test_transfer_says_it_of_the_model_that_was_attacked(doubted: Path, command, tmp_path: Path) -> None:
    network = ("--network", "victim=python", "victim.factory=tests.cli.wrong_victims:probabilities")
    outcome = command("transfer", doubted, *network, "--out", tmp_path / "out")
    assert outcome.status == 0, outcome
    (report,) = (tmp_path / "out").glob("*.md")
    named = "Doubtful victim tests.cli.wrong\\_victims:probabilities: probabilities (allowed): the victim returns"
    assert named in report.read_text()


def test_the_console_says_it_before_and_after(command, tmp_path: Path) -> None:
    outcome = command(
        "attack", *SHORT[:-3], "attack=pgd", *SHORT[-2:], *victim("saturated"), f"run.dir={tmp_path / 'run'}"
    )
    assert outcome.status == 0, outcome
    assert "warning: victim: coarse_logits: the victim's outputs are rounded or saturated" in outcome.err
    shown = " ".join(outcome.out.split())  # lines are wrapped
    assert re.search(r"victim tests\.cli\.wrong_victims:saturated \[doubtful: [a-z_, ]*coarse_logits", shown)
    assert "Doubtful victim: coarse_logits: the victim's outputs are rounded or saturated" in shown


def test_a_run_that_goes_on_keeps_its_check(doubted: Path, command, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(doubted, tmp_path / "run"))
    before = RunFolder(folder).environment()["victim_check"]
    outcome = command("attack", f"run.resume={folder}", *victim("probabilities"))
    assert outcome.status == 0, outcome
    assert RunFolder(folder).environment()["victim_check"] == before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_of_several_processes_end_with_one_line(tmp_path: Path) -> None:
    two = ("trainer=ddp_cpu", "trainer.devices=2", f"run.dir={tmp_path / 'run'}")
    command = [sys.executable, "-m", "benchmark", "attack", *SHORT[1:], *two, *victim("probabilities")]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=alone, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 2, ended
    assert ended.stderr.count("the victim returns probabilities") == 1, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "entry",
    [
        *(3, [], {}, {"findings": [3]}, {"findings": [{"name": "<b>", "refused": True, "what": "", "cure": ""}]}),
        *({"findings": [], "iou": "high"}, {"findings": [], "allowed": [1]}),
    ],
)
def test_a_stranger_s_check_is_data(doubted: Path, command, tmp_path: Path, entry: Any) -> None:
    folder = Path(shutil.copytree(doubted, tmp_path / "run"))
    RunFolder(folder).write_environment(json.loads((folder / "environment.json").read_text()) | {"victim_check": entry})
    outcome = command("report", folder)
    assert outcome.status == 2
    assert "its victim_check is not what a check finds); restore what the run wrote" in outcome.err


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("honest", 0, "nothing is wrong with the victim"),
        ("saturated", 3, "doubt    coarse_logits"),
        ("probabilities", 2, "refused  probabilities"),
        ("fails", 2, "error: victim "),
    ],
)
def test_the_check_by_itself(command: Callable[..., Any], name: str, status: int, said: str) -> None:
    outcome = command("victims", "check", *DATA, *victim(name))
    assert outcome.status == status, outcome
    assert said in outcome.out + outcome.err


def test_an_untrained_network_is_called_untrained(command) -> None:
    outcome = command("victims", "check", *DATA)
    assert outcome.status in (0, 3), outcome
    assert "The victim is untrained" in outcome.out
    assert "lesion" in outcome.out


def test_the_validation_score_stands_beside_the_clean_iou(command, trained: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    outcome = command("victims", "check", *DATA, f"victim.ckpt={checkpoint}")
    assert outcome.status in (0, 3), outcome
    remembered = json.loads((trained / "environment.json").read_text())["trained"]["val_iou"]
    assert f"In validation, by the checkpoint: {remembered:.3f}." in outcome.out
