"""`transfer` where models show less than they see: from them, to them, and with the padding perturbed."""

from pathlib import Path

import pytest

from benchmark.__main__ import main
from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables
from tests.fixtures.made_once import made_once

SMOKE = ("experiment=smoke", "trainer=cpu", "trainer.max_epochs=1", "run.montage=0", "engine.max_passes=12")
# 32 pixels, padded to 44, of which 28 are shown.
VALID = ("victim=unet_valid", "victim.input_size=44", "victim.options.widths=[4,6]")


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run against such a victim, its padding perturbed too."""

    def make(folder: Path) -> None:
        assert main(["run", *SMOKE, *VALID, "perturb=input", f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "windowed", make) / "run"


def test_its_own_numbers_are_repeated_and_others_are_shown_its_files(
    command, windowed: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = command("transfer", windowed, "--victims", trained / "checkpoints" / "best.ckpt", "--out", out)
    assert outcome.status == 0, outcome
    assert "differ from what their runs recorded" not in outcome.err
    own = {row["id"]: row for row in tables.read(windowed).to_pylist()}
    rows = TRANSFER.read(out).to_pylist()
    assert {(row["white_box"], row["valid_pixels"], row["height"]) for row in rows} == {
        (True, 28 * 28, 44),
        (False, 28 * 28, 44),
    }
    for row in rows:
        if row["white_box"]:
            for name in ("adv8_iou_truth", "adv8_iou_target", "clean_iou_truth"):
                assert row[name] == pytest.approx(own[row["id"]][name], abs=1e-6)


def test_it_judges_others_files_where_it_looks(command, windowed: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = command("transfer", trained, "--victims", windowed / "checkpoints" / "best.ckpt", "--out", out)
    assert outcome.status == 0, outcome
    found = {(row["white_box"], row["valid_pixels"], row["height"]) for row in TRANSFER.read(out).to_pylist()}
    assert found == {(True, 32 * 32, 32), (False, 28 * 28, 32)}
