"""Rows survive kills, merges and odd names."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import InputError
from benchmark.runs import row_schema, tables
from benchmark.runs.layout import file_name
from benchmark.runs.row_schema import SCHEMA
from benchmark.runs.tables import RECORDS, TRACES, Writer


def row(image_id: str, attack: str = "asma", **values: Any) -> dict[str, Any]:
    return dict.fromkeys(SCHEMA.names) | {"id": image_id, "attack": attack} | values


def ids(run: Path) -> list[str]:
    return tables.read(run)["id"].to_pylist()


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


def test_merging_keeps_rows_and_can_be_repeated(tmp_path: Path) -> None:
    writer = Writer(tmp_path, RECORDS)
    for image_id in "abc":
        writer.append([row(image_id)])
    expected = tables.read(tmp_path)
    for _ in range(2):
        assert RECORDS.merge(tmp_path) == tmp_path / "records.parquet"
        assert tables.read(tmp_path) == expected
        assert [path.name for path in tmp_path.iterdir()] == ["records.parquet"]
    writer.append([row("d")])
    assert ids(tmp_path) == ["a", "b", "c", "d"]
    RECORDS.merge(tmp_path)
    assert ids(tmp_path) == ["a", "b", "c", "d"]


def test_a_run_without_rows_merges_to_an_empty_table(tmp_path: Path) -> None:
    TRACES.merge(tmp_path)
    assert TRACES.read(tmp_path).num_rows == 0


def test_a_merge_killed_before_the_parts_are_gone_counts_rows_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path, RECORDS)
    for image_id in "abc":
        writer.append([row(image_id)])
    deleted = []

    def killed_at_the_second(path: Path, missing_ok: bool = False) -> None:
        if not missing_ok:
            if deleted:
                raise KeyboardInterrupt
            deleted.append(path)
            os.unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            RECORDS.merge(tmp_path)
    assert len(list((tmp_path / "records").glob("part-*"))) == 2
    assert ids(tmp_path) == ["a", "b", "c"]
    RECORDS.merge(tmp_path)
    assert ids(tmp_path) == ["a", "b", "c"]
    assert not (tmp_path / "records").exists()


def test_a_merge_killed_while_writing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Writer(tmp_path, RECORDS).append([row("a")])

    def half_written(table: pa.Table, path: Path) -> None:
        Path(path).write_bytes(b"PAR1")
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", half_written)
        with pytest.raises(OSError, match="No space left"):
            RECORDS.merge(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records"]
    assert ids(tmp_path) == ["a"]


def test_a_reader_in_the_way_of_a_merge_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path, RECORDS)
    for image_id in "abc":
        writer.append([row(image_id)])
    read_table, merged = pq.read_table, []

    def merge_first(*args: Any, **options: Any) -> pa.Table:
        if not merged:
            merged.append(True)
            RECORDS.merge(tmp_path)
        return read_table(*args, **options)

    monkeypatch.setattr(pq, "read_table", merge_first)
    assert ids(tmp_path) == ["a", "b", "c"]


def test_files_left_by_a_kill_are_ignored(tmp_path: Path) -> None:
    Writer(tmp_path, RECORDS).append([row("a")])
    (tmp_path / "records" / ".part-0-0-00000001.parquet.abcd.tmp").write_bytes(b"PAR1 half a file")
    (tmp_path / ".records.parquet.abcd.tmp").write_bytes(b"")
    assert ids(tmp_path) == ["a"]
    RECORDS.merge(tmp_path)
    assert ids(tmp_path) == ["a"]


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
    with pytest.raises(InputError, match=f"{path}: has no column eps; restore it or remove it to go on"):
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


APPENDING = """
import sys
from benchmark.runs import row_schema, tables
from pathlib import Path
writer = tables.Writer(Path(sys.argv[1]), tables.RECORDS)
empty = dict.fromkeys(row_schema.SCHEMA.names)
for i in range(100_000):
    writer.append([empty | {"attack": "asma", "id": f"{sys.argv[2]}-{i:06d}"}])
    print(f"{sys.argv[2]}-{i:06d}", flush=True)
    if i % 50 == 49:
        tables.RECORDS.merge(Path(sys.argv[1]))
"""


def test_every_row_reported_survives_kill_9(tmp_path: Path) -> None:
    pauses = random.Random(0)
    reported: list[str] = []
    for life in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", APPENDING, str(tmp_path), str(life)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        reported.append(process.stdout.readline().strip())
        time.sleep(pauses.uniform(0.05, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        # A last line without its end is an image that had not been reported.
        reported += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
        found = ids(tmp_path)
        assert set(reported) <= set(found)
        assert len(set(found)) == len(found)
    assert len(reported) > 20
    assert all(reported)
    RECORDS.merge(tmp_path)
    assert set(reported) <= set(ids(tmp_path))


def test_reading_rows_needs_no_torch() -> None:
    code = (
        "import sys, benchmark.runs.tables; print(*{'torch', 'pytorch_lightning', 'numpy.testing'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.split() == []


@settings(deadline=None)
@given(st.text(), st.text())
def test_file_names_are_one_to_one(one: str, other: str) -> None:
    assert (file_name(one) == file_name(other)) == (one == other)


def test_long_ids_make_file_names_that_file_systems_take() -> None:
    longest, other = "\N{LATIN SMALL LETTER E WITH ACUTE}" * 300, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 299
    assert len(file_name(longest)) < 200
    assert file_name(longest) != file_name(other)


@settings(deadline=None)
@given(
    st.one_of(
        st.text(), st.text(alphabet="./\\%~:.. \n\0"), st.sampled_from(["", ".", "..", "../x", "/etc", "%2E", "a/../b"])
    )
)
def test_file_names_stay_in_their_folder(image_id: str) -> None:
    name = file_name(image_id)
    folder = Path("/run/adversarial")
    assert name
    assert name.isascii()
    assert not set(name) & set('/\\\0:*?"<>|\n')
    assert Path(os.path.normpath(folder / name)).parent == folder
    assert Path(os.path.normpath(folder / name)).name == name


def test_plain_names_stay_readable() -> None:
    assert [file_name(name) for name in ("ISIC_0000001", "left eye (2).b", "a/b", "é")] == [
        "ISIC_0000001",
        "left eye (2).b",
        "a%2Fb",
        "%C3%A9",
    ]


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
    with pytest.raises(InputError, match="a row of its table records has no attack or no id; restore it"):
        tables.read(tmp_path)


def test_damaged_text_is_found_where_it_is_read(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([row("a")], schema=SCHEMA)
    damaged = pa.array([b"\xe4"], pa.binary()).view(pa.string())
    place = SCHEMA.get_field_index("group")
    pq.write_table(table.set_column(place, SCHEMA.field(place), damaged), tmp_path / "records.parquet")
    with pytest.raises(InputError, match=r"records\.parquet: cannot be read as a table of rows \(.*UTF8"):
        tables.read(tmp_path)
