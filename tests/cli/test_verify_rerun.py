"""`verify --rerun`: images that are attacked again come out as the rows say, and a claim that does not is named."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs import tables
from tests.fixtures.spoilt import rewrite


def test_images_attacked_again_come_out_as_their_rows_say(command, trained: Path, small_run: Path) -> None:
    outcome = command("verify", trained, "--rerun", "2")
    assert outcome.status == 0, outcome
    assert re.search(r"attacked again \(--rerun-seed \d+\): 2 rows of \w+, \w+\n", outcome.err)
    outcome = command("verify", small_run, "--rerun", "9", "--rerun-seed", "1")
    assert outcome.status == 0, outcome
    assert "attacked again (--rerun-seed 1): 6 rows of " in outcome.err


@pytest.mark.parametrize(
    ("column", "value"), [("zero_gradients", 3), ("ssim", 0.5), ("kept_step", 0), ("nonfinite_gradient", True)]
)
def test_a_claim_that_only_another_attack_can_check(
    command, trained: Path, tmp_path: Path, column: str, value: Any
) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "run"))
    for name in ("summary.json", "report.html"):
        (folder / name).unlink()
    row = tables.read(folder).to_pylist()[0]
    rewrite(folder, lambda rows: [rows[0] | {column: value}, *rows[1:]])
    outcome = command("verify", folder, "--rerun", "4")
    assert outcome.status == 1, outcome
    again = f"{row['attack']} / {row['id']}: {column}: row says {value!r}, attacked again {row[column]!r}"
    assert again in outcome.out.splitlines()
