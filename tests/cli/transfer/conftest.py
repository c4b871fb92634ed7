"""Two tiny victims, one attacked with budgets, and a transfer from it to the other."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from tests.fixtures.made_once import made_once

SMOKE = ("experiment=smoke", "trainer=cpu")
JUDGE = 0.2  # of an IoU, which so short a training and attack can reach


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a second victim."""

    def make(folder: Path) -> None:
        assert main(["train", *SMOKE, "victim=fpn", "seed=3", "data.seed=0", f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "other_victim", make) / "run" / "checkpoints" / "best.ckpt"


@pytest.fixture(scope="session")
def attacked(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has attacked the first victim at two budgets."""
    attack = ["attack=[pgd]", "+attacks.pgd.budgets=[8,32]", f"judge.value={JUDGE}", "run.montage=0"]
    given = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"

    def make(folder: Path) -> None:
        assert main(["attack", *SMOKE, given, *attack, f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "attacked_at_two_budgets", make) / "run"


@pytest.fixture
def copied(attacked: Path, tmp_path: Path) -> Path:
    """A copy of that run, to be spoilt."""
    return Path(shutil.copytree(attacked, tmp_path / "copied"))


@pytest.fixture
def declined(command: Callable[..., Any], other: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs `transfer` on what it must refuse and returns its one line, when nothing has been left behind."""

    def run(*arguments: str | Path) -> str:
        out = tmp_path / "new" / "out"
        victims = () if "--victims" in arguments else ("--victims", other)
        outcome = command("transfer", *arguments, *victims, "--out", out)
        assert outcome.status == 2, outcome
        assert not out.parent.exists()
        assert outcome.out == ""
        *progress, line = outcome.err.splitlines()
        assert all(text.startswith("transfer:") for text in progress if text)
        assert line.startswith("error: ")
        return line

    return run


@pytest.fixture(scope="session")
def outcome(attacked: Path, other: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a transfer from the first victim to the second."""

    def make(folder: Path) -> None:
        assert main(["transfer", str(attacked), "--victims", str(other), "--out", str(folder / "out")]) == 0

    return made_once(tmp_path_factory, "transfer", make) / "out"
