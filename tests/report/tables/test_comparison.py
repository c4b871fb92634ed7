from typing import Any

import pytest

from benchmark.report.tables.budget_table import budget_grids
from benchmark.report.tables.comparison import attack_grids, comparison, transform_grids
from benchmark.report.tables.strata_table import strata_grids
from benchmark.report.tables.table import TextTable, markdown
from benchmark.report.tables.worst_case_table import worst_case_grids
from benchmark.results.ranking import ranked
from benchmark.results.summary import summarise
from benchmark.results.worst_case import worst_cases
from tests.example_rows import row, table


def _attack(name: str, norms: list[float | None], **changes: Any) -> list[dict[str, Any]]:
    """One row per L2 norm; None is a failure."""
    return [
        row(str(i), attack=name, l2=norm or 9.0, success=norm is not None, success8=norm is not None, **changes)
        for i, norm in enumerate(norms)
    ]


def _summaries(*attacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return summarise(table(*(one for attack in attacks for one in attack)))


def _order(*attacks: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {norm: [one["attack"] for one in shown] for norm, shown in ranked(_summaries(*attacks)).items()}


def _grid(*attacks: list[dict[str, Any]]) -> TextTable:
    (grid,) = attack_grids(_summaries(*attacks))
    return grid


def _row(grid: TextTable, name: str) -> list[str]:
    (found,) = [list(cells[1:]) for cells in grid.rows if cells[0] == name]
    return found


def test_success_ranks_first_then_the_norm_then_the_name() -> None:
    attacks = (
        _attack("asma", [1.0, 1.0, None]),
        _attack("strong", [3.0, 3.0, 3.0]),
        _attack("subtle", [2.0, 2.0, 2.0]),
        _attack("equal", [3.0, 3.0, 3.0]),
        _attack("hopeless", [None, None, None]),
        _attack("failing", [None, None, None]),
    )
    assert _order(*attacks) == {"2": ["subtle", "equal", "strong", "asma", "failing", "hopeless"]}


def test_each_norm_ranks_the_attacks_that_are_about_it() -> None:
    worse_linf = _attack("a", [1.0], norm="inf", linf=0.5)
    better_linf = _attack("b", [2.0], norm="inf", linf=0.1)
    control = _attack("c", [3.0], norm="2", linf=0.7, equal_norm="a")
    small_l2, large_l2, no_norm = _attack("d", [3.0], linf=0.01), _attack("e", [4.0]), _attack("f", [5.0], norm=None)
    attacks = (worse_linf, better_linf, control, small_l2, large_l2, no_norm, _attack("g", [1.0], norm="1"))
    assert _order(*attacks) == {"2": ["d", "e", "f"], "1": ["g"], "inf": ["b", "a", "c"]}
    grids = attack_grids(_summaries(*attacks))
    assert [grid.title.split(" ·")[0] for grid in grids] == ["3 attacks by L2", "1 attack by L1", "3 attacks by L∞"]
    assert [grid.header[3] for grid in grids] == ["L2\nmedian", "L1\nmedian", "L∞ · 255\nmedian"]
    assert ["then by L" + grid.notes[1].split("then by L")[1][0] for grid in grids] == [
        "then by L2", "then by L1", "then by L∞"]  # fmt: skip


def test_medians_have_intervals_and_count_failures_as_infinite() -> None:
    grid = _grid(_attack("asma", [1.0, 2.0, None]), _attack("dag", [1.0, None, None], passes=30))
    assert _row(grid, "asma")[:5] == ["66.7", "21 to 94", "2.000", "1.000 to inf", "127.50"]
    assert _row(grid, "dag")[:5] == ["33.3", "6 to 79", "inf", "1.000 to inf", "inf"]


def test_passes_to_the_first_success_stand_beside_those_spent() -> None:
    grid = _grid(
        _attack("asma", [1.0, 1.0, 1.0], passes=60, success_passes=12), _attack("dag", [1.0, None, None], passes=30)
    )
    assert (_row(grid, "asma")[5:7], _row(grid, "dag")[5:7]) == (["12", "60"], ["inf", "30"])
    assert (
        "Passes spent cannot be compared between attacks that stop at their first success and attacks that go on."
        in grid.notes
    )


def test_nothing_attacked_is_a_dash() -> None:
    grid = _grid(_attack("asma", [1.0], success_clean=True), _attack("dag", [1.0]))
    assert _row(grid, "asma")[:6] == ["-"] * 6


def test_the_target_matters_only_where_attacks_have_one() -> None:
    aimed, free = _attack("asma", [1.0], targeted=True), _attack("pgd", [1.0])
    assert "IoU to\ntarget" in _grid(aimed, free).header
    grid = _grid(free, _attack("cospgd", [1.0]))
    assert "IoU to\ntarget" not in grid.header
    assert "target" not in grid.title
    assert {len(cells) for cells in grid.rows} == {len(grid.header)}


def test_controls_are_marked_and_explained() -> None:
    grid = _grid(_attack("asma", [1.0]), _attack("noise", [None], equal_norm="asma"))
    assert [cells[0] for cells in grid.rows] == ["asma", "noise †"]
    assert grid.notes[-1] == "† A control: every image gets the norm that it has after asma."


def _sweep(name: str, successes: dict[int, int], **changes: Any) -> list[dict[str, Any]]:
    """So many of four images at each budget / 255."""
    return [
        one
        for eps, hits in successes.items()
        for one in _attack(
            f"{name}@{eps}", [1.0] * hits + [None] * (4 - hits), family=name, norm="inf", eps=eps / 255, **changes
        )
    ]


def test_a_sweep_is_one_row_with_a_cell_per_budget() -> None:
    summaries = _summaries(
        _sweep("pgd", {1: 0, 2: 1, 10: 4}, adv_iou_truth=0.25), _sweep("cospgd", {2: 3, 10: 4}), _attack("asma", [1.0])
    )
    assert [[cells[0] for cells in grid.rows] for grid in attack_grids(summaries)] == [
        ["asma"],
        ["cospgd@10", "pgd@10"],
    ]
    success, iou = budget_grids(summaries)
    assert success.notes == ["Success in float, within the budget; the 8-bit file may exceed it by half a gray level."]
    assert success.header == ["attack", "1", "2", "10"]
    assert success.rows == [["cospgd", "-", "75.0", "100.0"], ["pgd", "0.0", "25.0", "100.0"]]
    assert iou.title == "Mean IoU to truth, by budget L∞ · 255"
    assert _row(iou, "pgd") == ["0.250", "0.250", "0.250"]


def test_scores_of_a_sweep_are_to_what_it_aims_at() -> None:
    grids = budget_grids(
        _summaries(_sweep("pgd", {1: 0, 2: 1}), _sweep("aimed", {1: 0, 2: 0}, targeted=True, adv_iou_target=0.125))
    )
    assert [grid.title.split(",")[0] for grid in grids] == ["Success in %", "Mean IoU to target", "Mean IoU to truth"]
    assert _row(grids[1], "aimed") == ["0.125", "0.125"]


@pytest.mark.parametrize(("norm", "known"), [("inf", True), ("2", False)])
def test_a_swept_control_is_in_the_columns_of_what_it_copies(norm: str, known: bool) -> None:
    pgd = _sweep("pgd", {2: 1, 4: 2, 10: 4})
    # Differing in the 9th digit, as float32 does; null where the control was made in another norm.
    eps = {one["attack"]: one["eps"] * (1 + 1e-9) if known else None for one in pgd}
    noise = [
        one | {"attack": f"noise@{one['attack'][4:]}", "family": "noise", "norm": norm,
               "eps": eps[one["attack"]], "equal_norm": one["attack"], "success": one["attack"] == "pgd@10"}
        for one in pgd
    ]  # fmt: skip
    summaries = _summaries(pgd, noise)
    assert _order(pgd, noise) == {"inf": ["noise@10", "pgd@10"]}
    success, _ = budget_grids(summaries)
    assert success.header == ["attack", "2", "4", "10"]
    assert _row(success, "noise") == ["0.0", "0.0", "100.0"]


def test_attacks_of_a_family_without_budgets_do_not_hide_each_other() -> None:
    noise = [one for i in (2, 10) for one in _attack(f"noise@{i}", [1.0], family="noise", equal_norm=f"gone@{i}")]
    assert _order(noise) == {"2": ["noise@10", "noise@2"]}
    assert budget_grids(_summaries(noise)) == []


def test_budgets_count_what_succeeds_before_rounding() -> None:
    sweep = [one | {"success8": False} for one in _sweep("pgd", {1: 1, 2: 4})]
    assert _row(budget_grids(_summaries(sweep))[0], "pgd") == ["25.0", "100.0"]


def test_sizes_of_several_attacks_stand_side_by_side() -> None:
    small, large = [97, 0, 2, 1], [40, 0, 30, 30]
    sized = [
        one | {"clean_confusion_truth": small if one["id"] in "01" else large}
        for one in [*_attack("asma", [1.0, None, 2.0, 4.0]), *_attack("dag", [None, None, 3.0, 3.0])]
    ]
    control = [
        one | {"attack": "noise", "norm": "inf", "equal_norm": "asma"} for one in sized if one["attack"] == "asma"
    ]
    (grid,) = strata_grids(_summaries(sized, control))
    assert grid.header == ["attack", "small\n% (of)", "small\nL2", "large\n% (of)", "large\nL2"]
    assert _row(grid, "asma") == ["50.0 (2)", "inf", "100.0 (2)", "3.000"]
    assert _row(grid, "dag") == ["0.0 (2)", "inf", "100.0 (2)", "3.000"]
    assert _row(grid, "noise †") == ["50.0 (2)", "-", "100.0 (2)", "-"]
    assert strata_grids(_summaries(_attack("asma", [1.0], background=None))) == []


def test_without_a_sweep_there_is_no_table_of_budgets() -> None:
    assert budget_grids(_summaries(_attack("asma", [1.0]), _sweep("pgd", {8: 1}))) == []


def test_worst_cases_are_lines_of_a_table() -> None:
    (grid,) = worst_case_grids(
        worst_cases(table(*_sweep("pgd", {8: 2}, adv8_iou_truth=0.25), *_sweep("sea", {8: 3}, adv8_iou_truth=0.75)))
    )
    cells = _row(grid, "L∞ 8")
    assert cells[:5] == ["2", "75.0", "30 to 95", "0.500", "0.250"]
    assert cells[5] == "0.635 to 0.635"  # all files have the same counts: (10/13 + 3/6) / 2
    assert cells[6].endswith(" pgd")


def test_worst_cases_of_targeted_attacks_are_a_table_of_their_own() -> None:
    aimed = {"targeted": True, "adv8_iou_target": 0.25}
    rows = table(*_attack("asma", [1.0, None], **aimed), *_attack("dag", [None, None], **aimed))
    (grid,) = worst_case_grids(worst_cases(rows))
    assert grid.title == "Worst case over targeted attacks, to the target"
    assert _row(grid, "L2 free") == ["2", "50.0", "9 to 91", "0.250", "0.250 to 0.250", "0.250 asma"]
    assert "Budgets in L∞ are in 1/255." not in grid.notes


def test_scores_after_transforms_stand_beside_those_without() -> None:
    scores = {"jpeg_iou_truth": 0.75, "clean_jpeg_iou_truth": 0.875, "clean_iou_truth": 1.0, "adv8_iou_truth": 0.0}
    (grid,) = transform_grids(_summaries(_attack("pgd", [1.0], **scores), _attack("fgsm", [2.0])))
    assert grid.header == ("attack", "none", "jpeg")
    assert grid.rows == [["clean images", "1.000", "0.875"], ["pgd", "0.000", "0.750"], ["fgsm", "0.500", "-"]]
    assert "did not know of the transforms" in grid.notes[0]
    assert transform_grids(_summaries(_attack("pgd", [1.0]))) == []


def test_a_comparison_has_all_there_is() -> None:
    rows = table(*_sweep("pgd", {2: 1, 8: 2}), *_sweep("sea", {2: 1, 8: 3}, jpeg_iou_truth=0.5))
    titles = [grid.title for grid in comparison(summarise(rows), worst_cases(rows))]
    assert [title.split(",")[0].split(" ·")[0] for title in titles] == [
        "2 attacks by L∞",
        "By size of the structure",
        "Success in %",
        "Mean IoU to truth",
        "Mean IoU to truth after input transforms",
        "Worst case over untargeted attacks",
    ]


def test_markdown_is_the_same_table() -> None:
    text = markdown(
        [TextTable("A *title*", ("attack", "success\n%"), [("pgd_l2", "1.0"), ("a|b", "-")], ["One.", "Two."])]
    )
    assert text == (
        "**A \\*title\\***\n\n| attack | success % |\n|:--|--:|\n| pgd\\_l2 | 1.0 |\n| a\\|b | - |\n\nOne. Two.\n"
    )
