"""Rows that are missing or there twice, and what traces say of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.criterion import Criterion
from benchmark.runs.folder import RunFolder
from benchmark.runs.row_schema import SCHEMA
from benchmark.runs.tables import RECORDS, TRACES, Writer
from benchmark.verify.bounds import Trace
from benchmark.verify.table import has_ended, kept_traces, missing_rows, table_mismatches


def _row(image_id: str, attack: str = "asma", **values: Any) -> dict[str, Any]:
    return dict.fromkeys(SCHEMA.names) | {"id": image_id, "attack": attack} | values


def _written(folder: Path, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "records.parquet")


def _mismatches(folder: Path, attacks: list[str] | None = None, ids: str = "ab", **environment: Any) -> list[str]:
    run, missing = RunFolder(folder), list(missing_rows(RECORDS.read(folder).to_pylist(), attacks, list(ids)))
    return [str(mismatch) for mismatch in table_mismatches(run, missing, ended=has_ended(run, environment))]


def test_every_attack_has_every_image_once(tmp_path: Path) -> None:
    _written(tmp_path, [_row("a"), _row("b"), _row("a", "pgd")])
    assert _mismatches(tmp_path) == ["pgd / b: id: the row is missing"]
    assert _mismatches(tmp_path, ["asma", "dag"], "a") == ["dag / a: id: the row is missing"]


def test_a_run_that_goes_on_may_have_missing_rows(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([_row("a")])
    assert _mismatches(tmp_path) == []
    RECORDS.merge(tmp_path)
    Writer(tmp_path, RECORDS).append([_row("a", "pgd")])
    assert _mismatches(tmp_path) == []


def test_a_run_that_has_recorded_its_end_has_no_missing_rows(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([_row("a")])
    assert _mismatches(tmp_path, shares=[]) == ["asma / b: id: the row is missing"]
    (tmp_path / "summary.json").touch()
    assert _mismatches(tmp_path) == ["asma / b: id: the row is missing"]


@pytest.mark.parametrize("steps", [1, 2])
def test_two_rows_of_one_image(tmp_path: Path, steps: int) -> None:
    _written(tmp_path, [_row("a", steps=1), _row("b"), _row("a", steps=steps)])
    assert _mismatches(tmp_path) == ["asma / a: id: there are several rows of this attack and image"]


def test_a_copy_that_an_interrupted_merge_left_is_right_and_another_row_is_not(tmp_path: Path) -> None:
    _written(tmp_path, [_row("a", l2=float("nan")), _row("b", steps=1)])
    Writer(tmp_path, RECORDS).append([_row("a", l2=float("nan"))])
    assert _mismatches(tmp_path) == []
    Writer(tmp_path, RECORDS).append([_row("b", steps=2)])
    assert _mismatches(tmp_path) == ["asma / b: id: there are several rows of this attack and image"]


def test_traces_end_and_have_the_norms_of_the_kept_step(tmp_path: Path) -> None:
    assert kept_traces(tmp_path, [_row("a")]) == {}
    points = [
        *(("a", step, 0.1 * step, 0.01 * step) for step in range(4)),
        *(("b", step, 1.0, 1.0) for step in (0, 5)),
        *(("c", step, 1.0, 1.0) for step in (0, 1)),
    ]
    empty = dict.fromkeys(TRACES.schema.names)
    traced = [empty | {"attack": "asma", "id": i, "step": s, "l2": l2, "linf": linf} for i, s, l2, linf in points]
    Writer(tmp_path, TRACES).append(traced)
    rows = [_row("a", kept_step=2), _row("b", kept_step=3), _row("c", kept_step=0), _row("d", kept_step=1)]
    assert kept_traces(tmp_path, rows) == {
        ("asma", "a"): Trace(3, 0.2, 0.02, 4),
        ("asma", "b"): Trace(5, None, None, 2),
        ("asma", "c"): Trace(1, 1.0, 1.0, 2),
    }


@pytest.mark.parametrize(
    ("judge", "targeted", "expected"),
    [
        (None, True, [0, 0, 0]),
        (Criterion("iou", value=0.9), True, [2, 3, 1]),
        (Criterion("iou", value=0.9), False, [0, 0, 0]),
        (Criterion("iou", "truth", "<=", 0.1), False, [3, 1, 1]),
        (Criterion("apsr", "truth", ">=", 0.6), False, [1, 0, 0]),
        (Criterion("dice", value=0.9), True, [0, 0, 0]),
        (Criterion("iou", value=0.9, classes=1), True, [0, 0, 0]),
    ],
)
def test_traces_say_how_long_the_judge_refuses(
    tmp_path: Path, judge: Criterion | None, targeted: bool, expected: list[int]
) -> None:
    points = {"a": [(0, 0.2), (1, 0.5), (2, 0.95)], "b": [(0, 0.2), (1, 0.1), (2, 0.3)], "c": [(0, 0.3), (2, 0.3)]}
    empty = dict.fromkeys(TRACES.schema.names) | {"attack": "asma", "l2": 1.0, "linf": 1.0}
    Writer(tmp_path, TRACES).append(
        [
            empty | {"id": image, "step": step, "iou": iou, "pixel_acc": 0.5 if (image, step) == ("a", 0) else 0.3}
            for image, steps in points.items()
            for step, iou in steps
        ]
    )
    rows = [_row(image) | {"targeted": targeted} for image in points]
    found = kept_traces(tmp_path, rows, judge)
    assert [found["asma", image].refused for image in points] == expected
