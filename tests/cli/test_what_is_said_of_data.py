"""What commands say of data: skipped files, images without masks, and data that have changed since a run."""

import json
from pathlib import Path

import pytest

from tests.cli.test_images_alone import SHORT, pictures

HONEST = ("victim=python", "victim.factory=tests.cli.wrong_victims:honest")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    root = pictures(tmp_path / "photos", 4)
    (root / "photo 9.png").write_bytes(b"no picture")
    return root


def data(root: Path) -> tuple[str, ...]:
    return ("data=folder", f"data.root={root}", "data.labels=predicted")


def test_the_check_of_a_victim_names_skipped_files(damaged: Path, command) -> None:
    outcome = command("victims", "check", *HONEST, *data(damaged), *SHORT, "data.on_bad=skip")
    assert outcome.status in (0, 3), outcome
    assert "1 of 5 images skipped" in outcome.err
    assert "photo 9" in outcome.err
    assert "5 images are" not in outcome.err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("target.label=cup", "target.label=cup: is no class of the data"),
        ("target.label=0", "target.label=0: is the background"),
        ("judge.classes=cup", "judge.classes=cup: is no class of the data"),
    ],
)
def test_the_check_of_a_victim_refuses_targets_and_judges_that_attack_refuses(
    tmp_path: Path, command, option: str, message: str
) -> None:
    root = pictures(tmp_path / "photos", 2)
    outcome = command("victims", "check", *HONEST, *data(root), *SHORT, "target=erased", option)
    assert outcome.status == 2, outcome
    assert outcome.err.splitlines()[-1].startswith(f"error: {message}")


def test_masks_that_are_not_read_are_named(tmp_path: Path, command) -> None:
    root = tmp_path / "set"
    pictures(root / "images", 2)
    (root / "masks").mkdir()
    encoding = "data.encoding={0:0,255:1}"
    outcome = command("victims", "check", *HONEST, *data(root), *SHORT, encoding)
    assert outcome.status in (0, 3), outcome
    (note,) = [line for line in outcome.err.splitlines() if "are not read" in line]
    assert "masks are not read; leave data.labels out to attack with them" in note
    assert "data.encoding only says which classes there are" in outcome.err


def test_the_check_of_data_without_masks(damaged: Path, command, tmp_path: Path) -> None:
    given = ("data", "check", "folder", f"root={damaged}", "labels=predicted", "--out", tmp_path / "report")
    outcome = command(*given)
    assert outcome.status == 1, outcome
    assert "data.on_bad=skip" in outcome.out
    (line,) = [line for line in outcome.out.splitlines() if "class 1" in line]
    assert "0.00 %" not in line
    skipped = command(*given, "on_bad=skip")
    assert "1 of 5 images skipped" in skipped.err


def test_a_run_whose_data_have_changed_is_not_advised_to_go_on(damaged: Path, command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = (*SHORT, "attack=pgd_margin", "data.on_bad=skip", f"run.dir={run}")
    outcome = command("attack", *HONEST, *data(damaged), *options)
    assert outcome.status == 0, outcome
    assert json.loads((run / "environment.json").read_text())["data_notes"]
    (damaged / "photo 1.png").unlink()
    checked = command("verify", run, "--factory", "tests.cli.wrong_victims:honest")
    assert checked.status in (1, 2), checked
    assert "data have changed" in checked.err, (checked.out, checked.err)
    assert "run.resume" not in checked.err + checked.out
