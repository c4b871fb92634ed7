"""`verify` end to end: real runs pass, and what cannot be checked is said."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from benchmark.distributed.termination import check_stop
from tests.fixtures.spoilt import PICKED, data_of, rewrite


def test_a_run_is_as_it_was_recorded(command, small_run: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in small_run.rglob("*")}
    outcome = command("verify", small_run)
    assert outcome.status == 0, outcome
    assert re.fullmatch(
        rf"{re.escape(str(small_run))}: as recorded; 6 rows: \d+ columns computed again, \d+ of the float32 result "
        r"and its cost cannot be \(checked against bounds; --rerun N attacks N images again\), not checked: none\n",
        outcome.out,
    )
    assert "note:" not in outcome.err
    assert "6/6" in outcome.err
    assert {path: path.stat().st_mtime_ns for path in small_run.rglob("*")} == before


def test_several_runs_one_of_them_in_float64(command, small_run: Path, trained: Path, tmp_path: Path) -> None:
    outcome = command("verify", small_run, tmp_path / "no", trained)
    assert outcome.status == 2
    assert [line.split(";")[0] for line in outcome.out.splitlines()] == [
        f"{small_run}: as recorded",
        f"{trained}: as recorded",
    ]
    assert f"error: {tmp_path / 'no'}: no such folder; give the folder of a run" in outcome.err


def test_an_attack_alone_in_reduced_precision_to_the_truth(command, small_run: Path, tmp_path: Path) -> None:
    checkpoint, folder = tmp_path / "given.ckpt", tmp_path / "run"
    os.link(small_run / "checkpoints" / "best.ckpt", checkpoint)
    attack = ("attack=sea_js", "judge=accuracy_truth", "engine.precision=bf16", "engine.max_passes=12", "run.montage=0")
    given = (*data_of(small_run), f"victim.ckpt={checkpoint}", *attack, f"run.dir={folder}")
    assert command("attack", *given).status == 0
    outcome = command("verify", folder)
    assert outcome.status == 0, outcome
    # The checkpoint is where config.yaml says, or where the command line does.
    checkpoint.rename(tmp_path / "moved.ckpt")
    outcome = command("verify", folder)
    assert outcome.status == 2
    assert f"{folder}: has no checkpoints/best.ckpt or at {checkpoint}; give the checkpoint" in outcome.err
    assert command("verify", folder, "--ckpt", tmp_path / "moved.ckpt").status == 0


def test_data_that_have_moved(command, small_run: Path, tmp_path: Path, mismatches) -> None:
    root = Path(OmegaConf.load(small_run / "config.yaml").data.root)
    moved = Path(shutil.copytree(root, tmp_path / "elsewhere"))
    assert command("verify", small_run, "--data-root", moved).status == 0
    test = json.loads((small_run / "splits.json").read_text())["test"]
    path = moved / "images" / f"{test[0]}.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 8
    Image.fromarray(pixels).save(path)
    lines = mismatches(small_run, "--data-root", moved)
    assert lines[0].startswith("environment.json: data_fingerprint: the files or settings of data set elsewhere have")
    assert {line.split(": ")[0] for line in lines[1:] if " / " in line} == {
        f"{attack} / {test[0]}" for attack in ("asma", "noise@8", PICKED)
    }
    outcome = command("verify", small_run, "--data-root", tmp_path / "nowhere")
    assert outcome.status == 2
    assert f"{tmp_path / 'nowhere'}: no such folder" in outcome.err
    path.write_bytes(b"")
    assert any(line.startswith("data: cannot be read: ") for line in mismatches(small_run, "--data-root", moved))


def test_a_root_for_data_that_have_none(command, trained: Path) -> None:
    outcome = command("verify", trained, "--data-root", "x")
    assert outcome.status == 2
    assert f"--data-root x: the data of {trained} have no root; leave it out" in outcome.err


def test_many_mismatches_are_counted(mismatches, spoilt: Path) -> None:
    kept = ("attack", "id", "target_draw", "target_draws", "target_too_close")
    rewrite(spoilt, lambda rows: [dict.fromkeys(row) | {name: row[name] for name in kept} for row in rows])
    lines = mismatches(spoilt)
    assert len(lines) == 51
    assert lines[-1].startswith("... and ")


def test_an_interrupted_check_says_how_far_it_came(command, small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.verify.rows import RowChecks

    seen = []

    def interrupted(self: RowChecks, row: Any, case: Any) -> Any:
        seen.append(row)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            check_stop()
        return iter(())

    monkeypatch.setattr(RowChecks, "mismatches", interrupted)
    outcome = command("verify", small_run)
    assert (outcome.status, outcome.out) == (130, "")
    assert outcome.err.splitlines()[-1] == (f"interrupted: 2 of 6 rows of {small_run} had been checked, 0 differences")


@pytest.mark.parametrize("arguments", [(), ("--ckpt", "a"), ("run", "--chkpt", "a")])
def test_arguments_that_are_missing_or_unknown(command, arguments: tuple[str, ...]) -> None:
    assert command("verify", *arguments).status == 2
