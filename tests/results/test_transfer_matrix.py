"""From rows of transfer to matrices, the white-box check, and what is shown of them."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from benchmark.report.tables.table import markdown, print_tables
from benchmark.report.tables.transfer_table import transfer_grids
from benchmark.results.intervals import wilson
from benchmark.results.transfer_matrix import (
    TRANSFER_SCHEMA,
    check_white_box,
    summarise_transfer,
    write_transfer_summary,
)
from benchmark.runs.folder import RunFolder

_COMMON = {
    **dict.fromkeys(TRANSFER_SCHEMA.names),
    **{"run": "t", "source_run": "r", "attack": "pgd@4", "family": "pgd", "norm": "inf", "eps": 4 / 255},
    **{"targeted": True, "data": "isic", "data_fingerprint": "f", "split": "test", "target": "other_image:x"},
    **{"judge": "iou to target >= 0.95", "classes": 2, "background": 0},
    **{"source_success8": True, "source_success_clean": False, "success_clean": False, "noise8_success": False},
    **{"l2": 2.0, "linf": 4 / 255, "noise8_l2": 1.5, "noise8_linf": 4 / 255},
    **{"clean_iou_target": 0.2, "noise8_iou_target": 0.25, "noise8_iou_truth": 0.7, "clean_iou_truth": 0.8},
}


def _row(source: str, victim: str, image: int, **values: Any) -> dict[str, Any]:
    white = source == victim
    scores = {"adv8_iou_target": 0.9 if white else 0.4, "adv8_iou_truth": 0.3 if white else 0.6}
    own = {"source_adv8_iou_target": 0.9, "source_adv8_iou_truth": 0.3}
    same = {"white_box": white, "success8": white, "id": f"im{image}"}
    return {**_COMMON, "source_victim": source, "victim": victim, **same, **scores, **own, **values}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TRANSFER_SCHEMA)


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Two sources before two victims, four images each."""
    return [
        _row(source, victim, image, source_run=f"run of {source}")
        for source in ("unet", "fpn")
        for victim in ("unet", "fpn")
        for image in range(4)
    ]


def test_the_note_names_the_rule_by_which_an_erased_label_is_judged(rows: list[dict[str, Any]]) -> None:
    erased = {"judge": "iou of cup to target >= 0.95", "class_names": '["disc", "cup"]', "target_class_pixels": [9, 0]}
    assert "area left" not in markdown(transfer_grids(summarise_transfer(_table(rows))))
    (table,) = summarise_transfer(_table([row | erased for row in rows]))
    assert table["judged_by_area"] == len(rows)
    assert "of an erased cup, at most 1 % of its area left." in markdown(transfer_grids([table]))


def test_a_cell_counts_and_averages(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if (row["source_victim"], row["victim"]) == ("unet", "fpn"):
            row["success8"] = row["id"] in ("im0", "im1")
            row["success_clean"] = row["id"] == "im0"
            row["source_success8"] = row["id"] != "im2"
            row["noise8_success"] = row["id"] == "im3"
            row["adv8_iou_target"] = {"im0": 0.1, "im1": 0.2, "im2": 0.3, "im3": 0.4}[row["id"]]
    (table,) = summarise_transfer(_table(rows))
    cell = table["matrix"]["unet"]["fpn"]
    assert (cell["white_box"], cell["images"], cell["attacked"], cell["source_successes"]) == (False, 4, 3, 2)
    assert cell["success8_rate"] == pytest.approx(1 / 3)
    assert cell["success8_rate_ci95"] == pytest.approx(wilson(1, 3))
    assert cell["success8_rate_of_source_successes"] == pytest.approx(1 / 2)
    assert cell["noise8_success_rate"] == pytest.approx(1 / 3)
    assert cell["adv8_iou_target"]["mean"] == pytest.approx(0.25)
    low, high = cell["adv8_iou_target"]["ci95"]
    assert 0.1 <= low < 0.25 < high <= 0.4
    assert (cell["noise8_iou_truth"]["mean"], cell["l2"]["mean"]) == (pytest.approx(0.7), pytest.approx(2))
    white = table["matrix"]["unet"]["unet"]
    assert (white["white_box"], white["success8_rate"]) == (True, 1)
    assert list(table["matrix"]) == list(table["matrix"]["fpn"]) == ["fpn", "unet"]
    # Four images, whoever attacked them.
    assert table["clean"]["fpn"]["images"] == 4
    assert table["clean"]["fpn"]["clean_iou_truth"]["mean"] == pytest.approx(0.8)


def test_what_the_source_found_satisfied_was_never_attacked(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["source_success_clean"] = row["id"] == "im3"
    (table,) = summarise_transfer(_table(rows))
    assert {cell["attacked"] for cells in table["matrix"].values() for cell in cells.values()} == {3}


@pytest.mark.parametrize(
    "differs",
    [
        {"eps": 8 / 255},
        {"attack": "pgd@8"},
        {"norm": "2"},
        {"data": "other"},
        {"data_fingerprint": "g"},
        {"judge": "iou to target >= 0.5"},
        {"targeted": False},
    ],
    ids=lambda d: next(iter(d)),
)
def test_what_cannot_be_compared_is_never_mixed(rows: list[dict[str, Any]], differs: dict[str, Any]) -> None:
    other = [row | differs for row in rows if row["source_victim"] == "fpn"]
    tables = summarise_transfer(_table([row for row in rows if row["source_victim"] == "unet"] + other))
    assert [list(table["matrix"]) for table in tables] in ([["unet"], ["fpn"]], [["fpn"], ["unet"]])


def test_budgets_of_each_image_are_one_attack(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row |= {"attack": "noise", "equal_norm": "asma", "eps": int(row["id"][-1]) / 10}
    (table,) = summarise_transfer(_table(rows))
    assert table["eps"] is None
    assert table["matrix"]["unet"]["fpn"]["images"] == 4


def test_two_runs_against_one_model_are_told_apart(rows: list[dict[str, Any]]) -> None:
    again = [row | {"source_run": "second"} for row in rows if row["source_victim"] == "unet"]
    (table,) = summarise_transfer(_table(rows + again))
    assert list(table["matrix"]) == ["fpn", "unet (run of unet)", "unet (second)"]


def test_models_that_were_attacked_have_to_repeat_their_runs(rows: list[dict[str, Any]]) -> None:
    assert check_white_box(_table(rows)) == {"rows": 8, "differing": 0, "largest_iou_difference": 0}
    white = [row for row in rows if row["white_box"]]
    white[0]["adv8_iou_truth"] += 0.05
    white[1]["success8"] = False
    white[2]["adv8_iou_target"] += 0.001
    found = check_white_box(_table(rows))
    assert (found["rows"], found["differing"]) == (8, 2)
    assert found["largest_iou_difference"] == pytest.approx(0.05)
    strangers = [row for row in rows if not row["white_box"]]
    assert check_white_box(_table(strangers)) == {"rows": 0, "differing": 0, "largest_iou_difference": None}


def test_the_summary_is_strict_json(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    for row in rows:
        row["success_clean"] = True
    tables = write_transfer_summary(_table(rows), RunFolder(tmp_path), device="cpu")
    document = json.loads(RunFolder(tmp_path).summary_file.read_text(), parse_constant=pytest.fail)
    assert document == {"tables": tables, "white_box": check_white_box(_table(rows)), "device": "cpu"}
    assert tables[0]["matrix"]["unet"]["fpn"]["success8_rate"] is None


def test_console_and_markdown_show_the_same_cells(rows: list[dict[str, Any]]) -> None:
    rows = [row for row in rows if (row["source_victim"], row["victim"]) != ("fpn", "unet")]
    tables = summarise_transfer(_table(rows))
    console = Console(file=io.StringIO(), width=80, color_system=None)
    print_tables(transfer_grids(tables), console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "pgd@4 · L∞ ≤ 4/255 · targeted · isic (test)" in shown
    for text in (shown, markdown(transfer_grids(tables)).replace("\\", "").replace("|", " ")):
        lines = [" ".join(line.split()) for line in text.splitlines()]
        assert [lines.count(line) for line in ("fpn *4/4 -", "unet 0/4 *4/4", "noise like unet 0/4 0/4")] == [1, 1, 1]
        assert [lines.count(line) for line in ("unet 0.400 *0.900", "clean 0.200 0.200", "clean 0.800 0.800")] == [
            1
        ] * 3


@pytest.mark.parametrize(
    ("values", "title"),
    [
        ({"norm": "2", "eps": None}, "pgd@4 · L2 · targeted"),
        ({"norm": "2", "eps": 0.5}, "pgd@4 · L2 ≤ 0.5 · targeted"),
        ({"norm": "1", "eps": None, "targeted": False}, "pgd@4 · L1 · untargeted"),
        ({"norm": "2", "equal_norm": "asma", "eps": 1.5}, "pgd@4 · L2 of asma · targeted"),
    ],
)
def test_titles_name_the_budget(rows: list[dict[str, Any]], values: dict[str, Any], title: str) -> None:
    tables = summarise_transfer(_table([row | values for row in rows]))
    assert f"**{title} · isic (test) · success, 8-bit**" in markdown(transfer_grids(tables))


def test_names_are_no_markup(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row |= {"victim": f"[bold]{row['victim']}|x", "source_victim": f"[red]{row['source_victim']}"}
    tables = summarise_transfer(_table(rows))
    console = Console(file=io.StringIO(), width=120, color_system=None)
    print_tables(transfer_grids(tables), console)
    assert "[bold]unet|x" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]unet\\|x" in markdown(transfer_grids(tables))
