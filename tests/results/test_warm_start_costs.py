"""What warm starts cost, counted by hand."""

import pytest

from benchmark.report.tables.warm_start_table import warm_start_grids
from benchmark.results.summary import make_summary
from benchmark.results.warm_start_costs import grid_costs, warm_start
from benchmark.runs.row_values import wrong_value
from tests.example_rows import row, table

COLD = dict(zip(("steps", "passes", "success8", "iou_target", "iou_truth"), (20, 42, True, 0.7, 0.30), strict=True))
COLD = {f"cold_start_{name}": value for name, value in COLD.items()}
BASE = {"attack": "pgd@1", "family": "pgd", "norm": "inf", "eps": 1 / 255, "targeted": False}
WARM = BASE | {"attack": "pgd@2", "eps": 2 / 255, "start_from": "pgd@1"}
ROWS = [
    row("a", **BASE, passes=42, point_sha256="aa"),
    row("b", **BASE, passes=42, point_sha256="bb"),
    row("a", **WARM, passes=12, passes_saved=30, at_floor=False, adv8_iou_truth=0.32, **COLD),
    row("b", **WARM, passes=3, passes_saved=39, at_floor=True, adv8_iou_truth=0.0),
]


def test_costs_are_sums_over_images() -> None:
    assert warm_start(ROWS[:2]) is None
    found = warm_start(ROWS[2:])
    assert found is not None
    assert {name: found[name] for name in ("start_from", "at_floor", "passes", "passes_saved")} == {
        **{"start_from": "pgd@1", "at_floor": 1, "passes": 15, "passes_saved": 69}
    }
    assert found["cold"] == pytest.approx(
        {"images": 1, "passes": 42, "warm_passes": 12, "iou": 0.30, "warm_iou": 0.32, "ahead": 0.02}
    )


@pytest.mark.parametrize(
    ("changes", "ahead"),
    [
        ({}, 0.02),
        ({"targeted": True}, 0.7 - 0.5),
        ({"stop": True}, 0),  # both are successes, and ended there
        ({"stop": True, "success8": False}, 0.02),
    ],
)
def test_ahead_is_nearer_to_the_aim(changes: dict[str, bool], ahead: float) -> None:
    found = warm_start([ROWS[2] | {"adv8_iou_target": 0.5} | changes])
    assert found is not None
    assert found["cold"]["ahead"] == pytest.approx(ahead)


def test_a_grid_costs_a_share_of_independent_runs() -> None:
    summary = make_summary(table(*ROWS, row("a", attack="asma", passes=99)))
    # 2 · 42 and 15 passes in place of 4 · 42.
    assert grid_costs(summary.attacks) == {"pgd": pytest.approx(99 / 168)}


def test_the_table_warns_of_cold_starts_that_end_ahead() -> None:
    summary = make_summary(table(*ROWS))
    (grid,) = warm_start_grids(summary.attacks)
    assert grid.rows == [["pgd@2", "1", "15", "69", "1", "42", "0.300", "0.320", "0.020"]]
    assert grid.notes[-1].startswith("! Cold starts end ahead by more than 0.01 in pgd@2")
    (grid,) = warm_start_grids(make_summary(table(*ROWS[:2], ROWS[3])).attacks)
    assert grid.rows == [["pgd@2", "1", "3", "39", "-", "-", "-", "-", "-"]]
    assert not any(note.startswith("!") for note in grid.notes)
    assert warm_start_grids(make_summary(table(*ROWS[:2])).attacks) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"passes_saved": None}, "passes_saved is None"),
        ({"cold_start_iou_truth": None}, "does not say how its cold start ended"),
        ({"cold_start_steps": -1}, "does not say how its cold start ended"),
        ({"cold_start_iou_target": 1.5}, "cold start ended at"),
    ],
)
def test_rows_that_no_run_writes(changes: dict[str, object], message: str) -> None:
    assert wrong_value([ROWS[2]]) is None
    wrong = wrong_value([ROWS[2] | changes])
    assert wrong is not None
    assert message in wrong
