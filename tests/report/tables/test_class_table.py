from benchmark.report.tables.class_table import class_grids
from benchmark.results.summary import summarise
from tests.example_rows import row, table

COUNTS = [5, 1, 0, 0, 4, 2, 1, 0, 3]
LISTS = {f"{p}_confusion_truth": COUNTS for p in ("clean", "adv", "adv8")} | {"target_class_pixels": [9, 4, 3]}
SCORES = {
    f"{p}_class_iou_{reference}": [0.5, None, 0.25]
    for p in ("clean", "adv", "adv8")
    for reference in ("target", "truth")
}


def test_each_class_of_each_attack_has_a_row() -> None:
    three = {"classes": 3, "class_names": '["background", "disc", "cup"]', "targeted": True, **LISTS, **SCORES}
    summaries = summarise(table(row("a", **three), row("b", **three | {"adv8_class_iou_target": [1.0, 0.75, 0.75]})))
    (grid,) = class_grids(summaries)
    assert grid.title == "By class"
    assert [tuple(cells) for cells in grid.rows] == [
        ("asma", "background", "2", "0.500", "0.500", "0.750"),
        ("asma", "disc", "0", "-", "-", "0.750"),
        ("asma", "cup", "2", "0.250", "0.250", "0.500"),
    ]


def test_one_class_of_foreground_needs_no_table() -> None:
    assert class_grids(summarise(table(row("a")))) == []
