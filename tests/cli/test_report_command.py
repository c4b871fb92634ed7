"""`report` and `export` on a real run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_a_run_ends_with_its_page(trained: Path) -> None:
    text = (trained / "report.html").read_text(encoding="utf-8")
    assert "asma against unet_resnet18 on synthetic" in text
    assert "adversarial/asma/test_00000.png" in text


def test_runs_transfer_and_cards_on_one_page(command: Command, trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / "checkpoints" / "best.ckpt"
    assert command("transfer", trained, "--victims", checkpoint, "--out", tmp_path / "transfer").status == 0
    card, page = tmp_path / "theirs.json", tmp_path / "page.html"
    assert command("export", trained, "--card", card).out == f"card     {card}\n"
    done = command("report", trained, tmp_path / "transfer", card, "--out", page, "--title", "Ours & theirs")
    assert (done.status, done.out) == (0, f"report   {page}\n")
    text = page.read_text(encoding="utf-8")
    assert "<h1>Ours &amp; theirs</h1>" in text
    assert 'id="transfer"' in text
    assert "unet_resnet18 (theirs), a card" in text
    provenance = json.loads(card.read_text())["provenance"]
    assert provenance["settings"]["attack.rule._target_"] == "benchmark.attacks.asma.ASMA"
    assert str(tmp_path.parent) not in card.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report"], "the following arguments are required: RUN"),
        (["report", "nowhere"], "nowhere: no such folder or file"),
        (["report", "{run}", "--out", "{run}"], "{run}: must be a file in a folder that exists"),
        (["report", "{run}", "--out", "{run}/no/page.html"], "must be a file in a folder that exists"),
        (["export", "{run}"], "the following arguments are required: --card"),
        (["export", "nowhere", "--card", "x.json"], "nowhere: no such folder"),
        (
            ["export", "{run}", "--card", "x.json", "--attack", "asmo"],
            "--attack asmo: is not in {run}, did you mean asma?",
        ),
        (["export", "{run}", "--card", "{run}"], "--card {run}: must be a file in a folder that exists"),
    ],
)
def test_a_mistake_is_one_line(command: Command, trained: Path, arguments: list[str], said: str) -> None:
    done = command(*(one.format(run=trained) for one in arguments))
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert said.format(run=trained) in line
