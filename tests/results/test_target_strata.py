"""Erased targets apart from the others, and what is said of targets."""

import io
from typing import Any

import pytest
from rich.console import Console

from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.console import print_summary
from benchmark.results.summary import Summary, summarise
from benchmark.results.target_strata import by_target, target_note
from tests.example_rows import row, table

ERASED: dict[str, Any] = {"target_pixels": 0, "targeted": True}
PRESENT: dict[str, Any] = {"target_pixels": 7, "targeted": True}
ROWS = [
    row("a", **ERASED, success8=True, l2=1.0, adv8_iou_target=0.0),
    row("b", **ERASED, success8=False, adv8_iou_target=0.0),
    row("c", **PRESENT, success8=True, l2=3.0, adv8_iou_target=0.75),
    row("d", **PRESENT, success_clean=True, adv8_iou_target=0.25),
]


def test_erased_targets_are_a_stratum_of_their_own() -> None:
    found = by_target(ROWS)
    assert list(found) == ["present", "erased"]
    assert [(one["images"], one["attacked"], one["success8_rate"]) for one in found.values()] == [
        (2, 1, 1),
        (2, 2, 0.5),
    ]
    assert [one["adv8_iou_target"] for one in found.values()] == [0.5, 0]
    assert found["erased"]["median_norm"] == 1
    (summary,) = summarise(table(*ROWS))
    assert summary["by_target"] == found | {"erased": found["erased"] | {"median_norm_all": None}}


@pytest.mark.parametrize("changes", [ERASED, PRESENT, {"target_pixels": None}])
def test_targets_all_alike_are_no_strata(changes: dict[str, Any]) -> None:
    assert by_target([row("a", **changes), row("b", **changes)]) == {}


def test_what_is_counted_is_said() -> None:
    drawn = [
        row("a", **PRESENT, target_draws=1),
        row("b", **PRESENT, target_draws=2),
        row("c", **PRESENT, target_draws=5, target_too_close=True),
        row("d", **ERASED),
    ]
    (summary,) = summarise(table(*drawn))
    counts = {name: summary[name] for name in ("targets_redrawn", "targets_too_close", "targets_erased")}
    assert counts == {"targets_redrawn": 2, "targets_too_close": 1, "targets_erased": 1}
    assert target_note(summary) == (
        "Targets: 2 drawn again, 1 too close to truth or prediction all the same, 1 erased."
    )
    assert target_note(summary | {"targeted": False}) is None
    assert target_note(summary | dict.fromkeys(counts, 0)) is None


def test_rows_that_do_not_tell_are_counted_as_nothing() -> None:
    unknown = dict.fromkeys(("target_draw", "target_draws", "target_pixels", "target_too_close"))
    (summary,) = summarise(table(row("a", **unknown)))
    assert [summary[name] for name in ("targets_redrawn", "targets_too_close", "targets_erased")] == [0, 0, 0]


def test_one_attack_shows_them_apart() -> None:
    stream = io.StringIO()
    print_summary(Summary(summarise(table(*ROWS)), []), Console(file=stream, width=80))
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert "Erased targets apart, 8-bit" in lines
    assert "present 1 100.0 21 to 100 3.000 0.500 0.500" in lines
    assert "erased 2 50.0 9 to 91 inf 0.000 0.500" in lines
    assert "Targets: 2 erased." in lines


def test_several_attacks_show_them_side_by_side() -> None:
    rows = table(*ROWS, *(one | {"attack": "dag", "success8": False} for one in ROWS))
    grids = {grid.title: grid for grid in comparison(summarise(rows), [])}
    grid = grids["Erased targets apart · L2"]
    assert list(grid.header) == ["attack", "present\n% (of)", "present\nL2", "erased\n% (of)", "erased\nL2"]
    assert [list(cells) for cells in grid.rows] == [
        ["asma", "100.0 (1)", "3.000", "50.0 (2)", "inf"],
        ["dag", "0.0 (1)", "inf", "0.0 (2)", "inf"],
    ]
    notes = [note for one in grids.values() for note in one.notes]
    assert notes.count("Targets: 2 erased.") == 1
