"""Rows survive merges, kills, and merges that are killed."""

import errno
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

from benchmark.errors import MachineError
from benchmark.runs import tables
from benchmark.runs.tables import RECORDS, TRACES, Writer
from tests.runs.table_rows import ids, row


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

    def half_written(table: pa.Table, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"PAR1")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", half_written)
        with pytest.raises(MachineError, match=r"records\.parquet: No space left on device; free space there$"):
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
