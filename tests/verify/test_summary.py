"""summary.json against the rows it was made from."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmark.results.summary import write_summary
from benchmark.runs.folder import RunFolder
from benchmark.runs.row_schema import SCHEMA
from benchmark.verify.summary import summary_mismatches
from tests.example_rows import LISTS

KINDS = {"string": "x", "bool": True, "int64": 1, "double": 0.5} | LISTS


def _rows(attacks: str) -> pa.Table:
    values = {field.name: KINDS[str(field.type)] for field in SCHEMA}
    own = {
        "success_clean": False,
        "overlapping": False,
        "class_names": None,
        "background": 0,
        "classes": 2,
        "equal_norm": None,
        "norm": "2",
    }
    listed = [values | own | {"attack": attack, "id": str(i), "l2": i + 0.1} for attack in attacks for i in range(3)]
    return pa.Table.from_pylist(listed, schema=SCHEMA)


def _changed(folder: Path, *path: Any, value: Any) -> None:
    document = json.loads((folder / "summary.json").read_text())
    node = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    (folder / "summary.json").write_text(json.dumps(document))


@pytest.mark.parametrize("attacks", ["a", "ab"])
def test_what_was_written_is_found_again(tmp_path: Path, attacks: str) -> None:
    write_summary(_rows(attacks), RunFolder(tmp_path))
    assert list(summary_mismatches(RunFolder(tmp_path), _rows(attacks))) == []


def test_a_number_that_the_rows_do_not_give_is_named(tmp_path: Path) -> None:
    rows = _rows("ab")
    write_summary(rows, RunFolder(tmp_path))
    _changed(tmp_path, "attacks", 1, "l2", "median", value=7.0)
    _changed(tmp_path, "attacks", 0, "success8_rate", value=None)
    _changed(tmp_path, "worst_case", 0, "attacked", value=2)
    _changed(tmp_path, "attacks", 0, "mine", value=1)
    assert sorted(str(mismatch) for mismatch in summary_mismatches(RunFolder(tmp_path), rows)) == [
        "summary.json: attacks.a.mine: does not follow from the rows",
        "summary.json: attacks.a.success8_rate: says None, the rows give 1.0",
        "summary.json: attacks.b.l2.median: says 7.0, the rows give 1.1",
        "summary.json: worst_case.0.attacked: says 2, the rows give 3",
    ]


def test_a_number_that_is_missing_is_named(tmp_path: Path) -> None:
    write_summary(_rows("a"), RunFolder(tmp_path))
    document = json.loads((tmp_path / "summary.json").read_text())
    del document["l2"]["median"]
    (tmp_path / "summary.json").write_text(json.dumps(document))
    (mismatch,) = summary_mismatches(RunFolder(tmp_path), _rows("a"))
    assert str(mismatch) == "summary.json: l2.median: is missing"


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_no_summary(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "summary.json").write_text(text)
    (mismatch,) = summary_mismatches(RunFolder(tmp_path), _rows("a"))
    assert str(mismatch).startswith("summary.json: ")


def test_rows_that_cannot_be_summarised(tmp_path: Path) -> None:
    write_summary(_rows("a"), RunFolder(tmp_path))
    broken = pa.Table.from_pylist([row | {"backwards": None} for row in _rows("a").to_pylist()], schema=SCHEMA)
    (mismatch,) = summary_mismatches(RunFolder(tmp_path), broken)
    assert "cannot be computed from the rows (TypeError" in str(mismatch)
