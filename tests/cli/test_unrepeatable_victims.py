"""`verify` on runs against victims that do not repeat their predictions: explained where the finding is true."""

import shutil
from pathlib import Path

import pytest

from benchmark.__main__ import main
from tests.cli.test_victim_check import SHORT, victim
from tests.fixtures.made_once import made_once
from tests.fixtures.spoilt import rewrite


@pytest.fixture(scope="module")
def dependent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished attack on a victim that depends on the batch, and is allowed to."""

    def make(folder: Path) -> None:
        given = (*SHORT, *victim("depends_on_batch"), "victim.allow=[batch_dependence]")
        assert main(["attack", *given, f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "dependent", make) / "run"


def verified(command, folder: Path, factory: str):
    return command("verify", folder, "--factory", f"tests.cli.wrong_victims:{factory}")


def test_predictions_that_differ_are_explained_by_the_recorded_finding(dependent: Path, command) -> None:
    outcome = verified(command, dependent, "depends_on_batch")
    assert outcome.status == 3, outcome
    (verdict,) = outcome.out.splitlines()
    assert verdict.startswith(f"{dependent}: as recorded, ")
    assert " more explained by batch_dependence; 8 rows: " in verdict
    assert "as the recorded finding batch_dependence says (such as " in outcome.err


@pytest.mark.parametrize("column", ["adv8_l2", "adv8_iou_truth"])  # of the file, and of the row's own counts
def test_what_follows_from_files_is_compared_as_ever(dependent: Path, command, tmp_path: Path, column: str) -> None:
    folder = Path(shutil.copytree(dependent, tmp_path / "run"))
    rewrite(folder, lambda rows: [rows[0] | {column: 0.987}, *rows[1:]])
    outcome = verified(command, folder, "depends_on_batch")
    assert outcome.status == 1, outcome
    assert f": {column}: row says 0.987" in outcome.out


def test_a_finding_that_is_not_found_again_explains_nothing(dependent: Path, command) -> None:
    outcome = verified(command, dependent, "honest")  # of the same weights
    assert outcome.status == 1, outcome
    assert "explained" not in outcome.out + outcome.err
