"""Targets that erase one class or label: counted, judged by the area left, and never shown as a failed overlap."""

import io
from typing import Any

import pytest
from rich.console import Console

from benchmark.criterion import RESIDUAL
from benchmark.report.figures.montage import MontageItem
from benchmark.report.tables.class_table import class_grids
from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.console import print_summary
from benchmark.results.erased_targets import MOST_LEFT, left_text
from benchmark.results.summary import Summary, summarise
from tests.example_rows import row, table

RULE = "Success: iou of cup to target >= 0.95; of an erased cup, at most 1 % of its area left"


def labels(image: str, left: int, **changes: Any) -> dict[str, Any]:
    """Two labels, disc and cup, on 1000 pixels: the cup, 200 in the truth, is erased but for `left` pixels."""
    counts = [500, 0, 0, 0, *(0, 300, 0, 0), *(0, 0, 0, 0), *(0, 200 - left, 0, left)]
    kind = {"classes": 4, "overlapping": True, "class_names": '["disc", "cup"]'}
    aimed = {
        "judge": "iou of cup to target >= 0.95",
        "target": "erased cup",
        "targeted": True,
        "target_pixels": 500,
        "target_class_pixels": [500, 0],
    }
    tables = {f"{p}_confusion_truth": counts for p in ("clean", "adv", "adv8")}
    scores = {f"{p}_class_iou_target": [1.0, 0.0 if left else None] for p in ("clean", "adv", "adv8")}
    return row(image, **kind, **aimed, **tables, **scores, **changes)


ROWS = [labels("a", 1, success8=True), labels("b", 0, success8=True), labels("c", 100, success8=False)]


def test_an_erased_label_is_counted_and_judged_by_its_area() -> None:
    (summary,) = summarise(table(*ROWS))
    assert (summary["targets_erased"], summary["judged_by_area"], summary["by_target"]) == (3, 3, {})
    cup, disc = summary["classes"]["cup"], summary["classes"]["disc"]
    assert (cup["erased"], cup["adv8_iou_target"]) == (3, None)
    assert cup["adv8_area_left"] == pytest.approx((1 + 0 + 100) / 600)
    assert (disc["erased"], disc["adv8_iou_target"], disc["adv8_area_left"]) == (0, 1, None)
    assert MOST_LEFT == 100 * RESIDUAL


def test_the_tables_name_the_rule_and_what_is_left() -> None:
    rows = table(*ROWS, *(one | {"attack": "dag"} for one in ROWS))
    notes = [note for grid in comparison(summarise(rows), []) for note in grid.notes]
    assert any(note.startswith(f"{RULE}, for the 8-bit file.") for note in notes)
    stream = io.StringIO()
    print_summary(Summary(summarise(table(*ROWS)), []), Console(file=stream, width=120))
    assert f"{RULE}." in stream.getvalue()
    (grid,) = class_grids(summarise(table(*ROWS)))
    assert [tuple(cells)[-2:] for cells in grid.rows] == [("1.000", "-"), ("-", "16.8")]
    assert any("how much is left" in note for note in grid.notes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "0.5 % of cup left (at most 1)"),
        ({"judge": "iou of disc to target >= 0.95"}, None),
        ({"judge": "iou to target >= 0.95"}, None),
        ({"judge": "area of cup to truth <= 0.01"}, None),
        ({"targeted": False}, None),
        (
            {"judge": "dice to target >= 0.9", "target_pixels": 0, "target_class_pixels": [0, 0]},
            "100.0 % of the structure left (at most 1)",
        ),
    ],
)
def test_captions_say_what_is_left_where_that_is_judged(changes: dict[str, Any], text: str | None) -> None:
    one = labels("a", 1) | changes
    assert left_text(one) == text
    arrays = dict.fromkeys(("image", "truth", "target", "adv", "clean_pred", "adv_pred", "delta"))
    assert MontageItem.of_row(one, **arrays).left == text


def test_a_label_that_the_judge_does_not_judge_alone_is_counted_without_the_rule() -> None:
    rows = [one | {"judge": "iou to target >= 0.95"} for one in ROWS]
    (summary,) = summarise(table(*rows))
    assert (summary["targets_erased"], summary["judged_by_area"]) == (3, 0)


def test_some_erased_cups_are_a_stratum() -> None:
    other = {"target": "other_image", "targeted": True}
    shown = labels("d", 100) | other | {"target_class_pixels": [500, 40], "adv8_class_iou_target": [1.0, 0.25]}
    (summary,) = summarise(table(*(one | other for one in ROWS), shown))
    assert {name: one["images"] for name, one in summary["by_target"].items()} == {"present": 1, "erased": 3}
    assert summary["classes"]["cup"]["adv8_iou_target"] == 0.25
