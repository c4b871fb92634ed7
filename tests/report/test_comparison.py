from typing import Any

from example_rows import row, table

from benchmark.report.aggregate import summarise
from benchmark.report.budgets import budget_grids, worst_case_grid
from benchmark.report.comparison import attack_grid, comparison, ranked, transform_grids
from benchmark.report.grids import Grid, markdown
from benchmark.report.worst_case import worst_cases


def _attack(name: str, norms: list[float | None], **changes: Any) -> list[dict[str, Any]]:
    """One row per L2 norm; None is a failure."""
    return [
        row(str(i), attack=name, l2=9.0 if norm is None else norm, success8=norm is not None, **changes)
        for i, norm in enumerate(norms)
    ]


def _summaries(*attacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return summarise(table(*(one for attack in attacks for one in attack)))


def _order(*attacks: list[dict[str, Any]]) -> list[str]:
    return [one["attack"] for one in ranked(_summaries(*attacks))]


def _row(grid: Grid, name: str) -> list[str]:
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
    assert _order(*attacks) == ["subtle", "equal", "strong", "asma", "failing", "hopeless"]


def test_the_norm_that_ranks_is_the_attacks_own_where_they_share_one() -> None:
    small_l2 = _attack("a", [1.0], norm="inf", linf=0.5)
    small_linf = _attack("b", [2.0], norm="inf", linf=0.1)
    control = _attack("c", [3.0], norm="2", linf=0.7, equal_norm="a")
    assert _order(small_l2, small_linf, control) == ["b", "a", "c"]
    assert _order(small_l2, small_linf, _attack("d", [3.0], norm="2", linf=0.01)) == ["a", "b", "d"]


def test_medians_count_failures_as_infinite() -> None:
    grid = attack_grid(_summaries(_attack("asma", [1.0, 2.0, None]), _attack("dag", [1.0, None, None], passes=30)))
    assert _row(grid, "asma")[:5] == ["66.7", "21 to 94", "2.000", "127.50", "4"]
    assert _row(grid, "dag")[:5] == ["33.3", "6 to 79", "inf", "inf", "30"]


def test_nothing_attacked_is_a_dash() -> None:
    grid = attack_grid(_summaries(_attack("asma", [1.0], success_clean=True), _attack("dag", [1.0])))
    assert _row(grid, "asma")[:4] == ["-", "-", "-", "-"]


def test_the_target_matters_only_where_attacks_have_one() -> None:
    aimed, free = _attack("asma", [1.0], targeted=True), _attack("pgd", [1.0])
    assert "IoU to\ntarget" in attack_grid(_summaries(aimed, free)).header
    grid = attack_grid(_summaries(free, _attack("cospgd", [1.0])))
    assert "IoU to\ntarget" not in grid.header
    assert "target" not in grid.title
    assert {len(cells) for cells in grid.rows} == {len(grid.header)}


def test_controls_are_marked_and_explained() -> None:
    grid = attack_grid(_summaries(_attack("asma", [1.0]), _attack("noise", [None], equal_norm="asma")))
    assert [cells[0] for cells in grid.rows] == ["asma", "noise †"]
    assert grid.notes[-1] == "† A control, with the norm of asma image by image."


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
        _sweep("pgd", {1: 0, 2: 1, 10: 4}, adv8_iou_truth=0.25), _sweep("cospgd", {2: 3, 10: 4}), _attack("asma", [1.0])
    )
    assert sorted(cells[0] for cells in attack_grid(summaries).rows) == ["asma", "cospgd@10", "pgd@10"]
    success, iou = budget_grids(summaries)
    assert success.header == ["attack", "1", "2", "10"]
    assert success.rows == [["cospgd", "-", "75.0", "100.0"], ["pgd", "0.0", "25.0", "100.0"]]
    assert iou.title == "Mean IoU to truth, by budget L∞ · 255"
    assert _row(iou, "pgd") == ["0.250", "0.250", "0.250"]


def test_scores_of_a_sweep_are_to_what_it_aims_at() -> None:
    grids = budget_grids(
        _summaries(_sweep("pgd", {1: 0, 2: 1}), _sweep("aimed", {1: 0, 2: 0}, targeted=True, adv8_iou_target=0.125))
    )
    assert [grid.title.split(",")[0] for grid in grids] == ["Success in %", "Mean IoU to target", "Mean IoU to truth"]
    assert _row(grids[1], "aimed") == ["0.125", "0.125"]


def test_without_a_sweep_there_is_no_table_of_budgets() -> None:
    assert budget_grids(_summaries(_attack("asma", [1.0]), _sweep("pgd", {8: 1}))) == []


def test_worst_cases_are_lines_of_a_table() -> None:
    grid = worst_case_grid(
        worst_cases(table(*_sweep("pgd", {8: 2}, adv8_iou_truth=0.25), *_sweep("sea", {8: 3}, adv8_iou_truth=0.75)))
    )
    cells = _row(grid, "L∞ 8")
    assert cells[:4] == ["2", "75.0", "0.500", "0.250"]
    assert cells[4] == "0.635 to 0.635"  # all files have the same counts: (10/13 + 3/6) / 2
    assert cells[5].endswith(" pgd")


def test_scores_after_transforms_stand_beside_those_without() -> None:
    scores = {"jpeg_iou_truth": 0.75, "clean_jpeg_iou_truth": 0.875, "clean_iou_truth": 1.0, "adv8_iou_truth": 0.0}
    (grid,) = transform_grids(_summaries(_attack("pgd", [1.0], **scores), _attack("fgsm", [2.0])))
    assert grid.header == ("attack", "none", "jpeg")
    assert grid.rows == [
        ["clean images", "1.000", "0.875"],
        ["pgd", "0.000", "0.750"],
        ["fgsm", "0.500", "-"],
    ]
    assert "did not know of the transforms" in grid.notes[0]
    assert transform_grids(_summaries(_attack("pgd", [1.0]))) == []


def test_a_comparison_has_all_there_is() -> None:
    rows = table(*_sweep("pgd", {2: 1, 8: 2}), *_sweep("sea", {2: 1, 8: 3}, jpeg_iou_truth=0.5))
    titles = [grid.title for grid in comparison(summarise(rows), worst_cases(rows))]
    assert [title.split(",")[0].split(" ·")[0] for title in titles] == [
        "2 attacks",
        "Success in %",
        "Mean IoU to truth",
        "Mean IoU to truth after input transforms",
        "Worst case over untargeted attacks",
    ]


def test_markdown_is_the_same_table() -> None:
    text = markdown([Grid("A *title*", ("attack", "success\n%"), [("pgd_l2", "1.0"), ("a|b", "-")], ["One.", "Two."])])
    assert text == (
        "**A \\*title\\***\n\n| attack | success % |\n|:--|--:|\n| pgd\\_l2 | 1.0 |\n| a\\|b | - |\n\nOne. Two.\n"
    )
