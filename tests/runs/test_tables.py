"""Tables are read back as they were written; what is damaged or lacks a column is refused."""

import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.errors import InputError
from benchmark.runs import row_schema, tables
from benchmark.runs.row_schema import SCHEMA
from benchmark.runs.tables import RECORDS, TRACES, Writer
from tests.runs.table_rows import ids, row


def test_rows_are_read_back_at_any_time(tmp_path: Path) -> None:
    writer = Writer(tmp_path, RECORDS)
    for count, image_id in enumerate("cab", 1):
        writer.append([row(image_id, steps=count, adv_confusion_truth=[1, 2, 3, 4])])
        assert len(ids(tmp_path)) == count
    table = tables.read(tmp_path)
    assert table.schema == SCHEMA
    assert table["id"].to_pylist() == ["a", "b", "c"]
    assert table["steps"].to_pylist() == [2, 3, 1]
    assert table["adv_confusion_truth"].to_pylist() == [[1, 2, 3, 4]] * 3


def test_rows_are_sorted_by_attack_and_unique(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([row("b"), row("a", "pgd"), row("a")])
    Writer(tmp_path, RECORDS, rank=1).append([row("a", "pgd")])
    table = tables.read(tmp_path)
    assert list(zip(table["attack"].to_pylist(), table["id"].to_pylist(), strict=True)) == [
        ("asma", "a"),
        ("asma", "b"),
        ("pgd", "a"),
    ]


def test_rows_may_have_further_columns(tmp_path: Path) -> None:
    writer = Writer(tmp_path, RECORDS)
    writer.append([row("a", clean_median3_iou_truth=0.75), row("b", jpeg75_iou_target=0.5)])
    writer.append([row("c", jpeg75_iou_target=None)])
    for _ in range(2):
        table = tables.read(tmp_path)
        assert table.schema.names == [*SCHEMA.names, "clean_median3_iou_truth", "jpeg75_iou_target"]
        assert table["clean_median3_iou_truth"].to_pylist() == [0.75, None, None]
        assert table["jpeg75_iou_target"].to_pylist() == [None, 0.5, None]
        RECORDS.merge(tmp_path)
    writer.append([row("d", resize_iou_target=1.0)])
    RECORDS.merge(tmp_path)
    merged = pq.read_table(tmp_path / "records.parquet")
    assert merged["resize_iou_target"].to_pylist() == [None, None, None, 1.0]
    assert merged["jpeg75_iou_target"].to_pylist() == [None, 0.5, None, None]


def test_traces_have_whatever_a_rule_reports(tmp_path: Path) -> None:
    point = dict.fromkeys(row_schema.TRACE_SCHEMA.names) | {"attack": "asma", "id": "a", "step": 1}
    Writer(tmp_path, TRACES).append([point | {"multiplier": 0.5}, point | {"step": 2}])
    Writer(tmp_path, TRACES).append([point | {"attack": "pgd", "step size": 2.0}])
    TRACES.merge(tmp_path)
    found = TRACES.read(tmp_path)
    assert found["multiplier"].to_pylist() == [0.5, None, None]
    assert found["step size"].to_pylist() == [None, None, 2.0]


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    other = pa.schema([field for field in SCHEMA if field.name not in ("eps", "passes")])
    path = tmp_path / "records.parquet"
    pq.write_table(pa.Table.from_pylist([row("a")], schema=other), path)
    Writer(tmp_path, RECORDS).append([row("b")])
    with pytest.raises(InputError, match=f"{path}: has no column eps; go on with the run "):
        tables.read(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (row("a") | {"speed": 1.0}, "speed"),
        (row("a") | {"x_y_iou_target": 1.0}, "x_y_iou_target"),
        ({k: v for k, v in row("a").items() if k != "l2"}, "l2"),
    ],
)
def test_rows_of_other_columns_are_refused(tmp_path: Path, wrong: dict[str, Any], named: str) -> None:
    writer = Writer(tmp_path, RECORDS)
    with pytest.raises(ValueError, match=f"unknown to the schema: .'{named}'"):
        writer.append([wrong])
    assert not (tmp_path / "records").exists()


def test_no_rows_no_file(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no records\.parquet and no records/part-.*; is this a run's folder\?"):
        tables.read(tmp_path)


def test_a_run_that_has_finished_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(InputError, match=r"no image is finished; go on with the run \(run\.resume=.*\)"):
        tables.read(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "records.parquet").write_bytes(b"not a table")
    with pytest.raises(InputError, match=r"records\.parquet: cannot be read as a table of rows"):
        tables.read(tmp_path)


def test_folder_names_do_not_become_columns(tmp_path: Path) -> None:
    run = tmp_path / "attack=pgd" / "id=7"
    Writer(run, RECORDS).append([row("a")])
    for _ in range(2):
        assert tables.read(run).select(["attack", "id"]).to_pylist() == [{"attack": "asma", "id": "a"}]
        RECORDS.merge(run)


def test_reading_rows_needs_no_torch() -> None:
    code = (
        "import sys, benchmark.runs.tables; print(*{'torch', 'pytorch_lightning', 'numpy.testing'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.split() == []


def test_repeated_keys(tmp_path: Path) -> None:
    rows = [row("a", steps=1), row("b"), row("a", steps=1)]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / "records.parquet")
    assert RECORDS.repeated(tmp_path) == [("asma", "a")]
    Writer(tmp_path, RECORDS).append([row("b"), row("c")])
    assert RECORDS.repeated(tmp_path) == [("asma", "a")]
    Writer(tmp_path, RECORDS).append([row("c", steps=3)])
    assert RECORDS.repeated(tmp_path) == [("asma", "a"), ("asma", "c")]


def test_a_row_without_a_key_is_refused(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([row("a"), row("b", attack=None)])
    with pytest.raises(InputError, match=r"part-.*: a row has no attack or no id; go on with the run"):
        tables.read(tmp_path)


def test_damaged_text_is_found_where_it_is_read(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([row("a")], schema=SCHEMA)
    damaged = pa.array([b"\xe4"], pa.binary()).view(pa.string())
    place = SCHEMA.get_field_index("group")
    pq.write_table(table.set_column(place, SCHEMA.field(place), damaged), tmp_path / "records.parquet")
    with pytest.raises(InputError, match=r"records\.parquet: cannot be read as a table of rows \(.*UTF8"):
        tables.read(tmp_path)


def test_values_that_have_changed_since_they_were_written(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([row("a", steps=3), row("b")])
    (part,) = RECORDS.parts(tmp_path)
    table = pq.read_table(part)
    steps = pa.array([4, None], pa.int64())
    pq.write_table(table.set_column(table.column_names.index("steps"), "steps", steps), part)
    for path in (part, RECORDS.merged(tmp_path)):
        with pytest.raises(InputError, match=f"{path}: its values have changed since they were "):
            tables.read(tmp_path)
        assert RECORDS.altered(tmp_path) == [path]
        assert tables.read(tmp_path, altered=True)["steps"].to_pylist() == [4, None]
        part.rename(RECORDS.merged(tmp_path)) if path == part else None
    pq.write_table(table.replace_schema_metadata(), RECORDS.merged(tmp_path))  # as others write tables
    assert tables.read(tmp_path)["steps"].to_pylist() == [3, None]
    assert RECORDS.altered(tmp_path) == []


def test_a_flipped_byte_changes_no_value_unseen(tmp_path: Path) -> None:
    random = Random(0)
    Writer(tmp_path, RECORDS).append([row(name, steps=3, l2=0.5, adv_confusion_truth=[1, 2]) for name in "abc"])
    (part,) = RECORDS.parts(tmp_path)
    expected, content, refused = tables.read(tmp_path), part.read_bytes(), 0
    for place in random.sample(range(len(content)), 60):
        flipped = content[place] ^ (1 << random.randrange(8))
        part.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
        try:
            assert tables.read(tmp_path) == expected, place
        except InputError:
            refused += 1
    assert refused > 20
