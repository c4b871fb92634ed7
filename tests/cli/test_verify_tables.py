"""Rows and summaries that were changed, doubled or removed: `verify` names them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.spoilt import PICKED, first_row, in_parts, rewrite, set_values


@pytest.mark.parametrize(
    ("column", "value"), [("adv8_iou_target", 0.999), ("success8", None), ("target", "other_image:case0")]
)
def test_a_number_of_a_row(mismatches, spoilt: Path, column: str, value: Any) -> None:
    place = set_values(spoilt, **{column: value})
    lines = mismatches(spoilt)
    assert any(line.startswith(f"{place}{column}: row says {value!r}, recomputed ") for line in lines)


def test_what_only_the_summary_can_tell(mismatches, spoilt: Path) -> None:
    set_values(spoilt, seconds=1000.0)
    assert {line.split(": ")[1].split(".")[2] for line in mismatches(spoilt)} == {"seconds"}


def test_a_number_of_the_summary(mismatches, spoilt: Path) -> None:
    document = json.loads((spoilt / "summary.json").read_text())
    (pgd,) = (one for one in document["attacks"] if one["attack"] == PICKED)
    pgd["adv8_iou_target"]["mean"] += 0.001
    (spoilt / "summary.json").write_text(json.dumps(document))
    (line,) = mismatches(spoilt)
    assert line.startswith("summary.json: attacks.pgd@8.adv8_iou_target.mean: says ")


def test_a_row_that_is_there_twice(mismatches, spoilt: Path) -> None:
    row = first_row(spoilt)
    rewrite(spoilt, lambda rows: [*rows, row | {"success8": not row["success8"]}])
    assert mismatches(spoilt) == [f"{PICKED} / {row['id']}: id: there are several rows of this attack and image"]


def test_a_row_that_is_missing(mismatches, spoilt: Path) -> None:
    row = first_row(spoilt)
    rewrite(spoilt, lambda rows: [one for one in rows if one != row])
    assert mismatches(spoilt)[0] == f"{PICKED} / {row['id']}: id: the row is missing"


def _without_shares(folder: Path) -> None:
    environment = json.loads((folder / "environment.json").read_text())
    del environment["shares"], environment["sha256"]
    (folder / "environment.json").write_text(json.dumps(environment))


def test_a_run_that_is_not_finished(command, mismatches, spoilt: Path) -> None:
    rows = in_parts(spoilt)
    _without_shares(spoilt)
    (spoilt / "summary.json").unlink()
    outcome = command("verify", spoilt)
    assert outcome.status == 3, outcome
    assert outcome.out.startswith(f"{spoilt}: not finished, no summary.json: as recorded; ")
    rewrite(spoilt, lambda rows: rows[2:])
    rows = in_parts(spoilt)[::-1]
    outcome = command("verify", spoilt)
    assert outcome.status == 3, outcome
    assert outcome.out.startswith(f"{spoilt}: not finished, 4 of 6 rows: as recorded; ")
    rewrite(spoilt, lambda rows: [rows[0] | {"adv8_l2": 9.0}, *rows[1:]])
    in_parts(spoilt)
    (line,) = mismatches(spoilt)
    assert line.startswith(f"{rows[-1]['attack']} / {rows[-1]['id']}: adv8_l2: row says 9.0, ")


@pytest.mark.parametrize("left", ["summary.json", "shares"])
def test_rows_removed_from_a_run_that_had_ended_are_named(mismatches, spoilt: Path, left: str) -> None:
    """Although they are put back into parts, as in a run that goes on."""
    row = first_row(spoilt)
    rewrite(spoilt, lambda rows: [one for one in rows if one != row])
    in_parts(spoilt)
    if left == "shares":
        (spoilt / "summary.json").unlink()
    else:
        _without_shares(spoilt)
    assert f"{PICKED} / {row['id']}: id: the row is missing" in mismatches(spoilt)


def test_of_several_runs_the_worst_counts(command, small_run: Path, spoilt: Path) -> None:
    (spoilt / "summary.json").unlink()
    assert command("verify", small_run, spoilt).status == 3
    set_values(spoilt, adv8_l2=9.0)
    assert command("verify", spoilt, small_run).status == 1


def test_a_row_that_does_not_name_its_draw(mismatches, spoilt: Path) -> None:
    rewrite(spoilt, lambda rows: [row | {"target_draw": None} for row in rows])
    lines = mismatches(spoilt)
    assert {line.split(": ", 1)[1].split(", ", 1)[1] for line in lines if " / " in line} == {
        "its row has no target_draw; restore the rows of the run"
    }
