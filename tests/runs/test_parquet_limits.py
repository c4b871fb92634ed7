"""A table of a stranger is refused before it becomes more than its file can hold."""

import os
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.errors import InputError
from benchmark.runs.parquet_limits import read_parquet
from benchmark.runs.tables import RECORDS


def _written(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = folder / "records.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    columns = {
        "id": pa.array(["é", None, "c" * 3000]),
        "x": pa.array([1.5, float("nan"), None]),
        "n": pa.array([[1, 2], None, []], pa.list_(pa.int64())),
        "b": pa.array([True, None, False]),
    }
    table = pa.table(columns).replace_schema_metadata({"key": "value"})
    pq.write_table(table, tmp_path / "records.parquet")
    read = read_parquet(tmp_path / "records.parquet", tmp_path)
    assert read.schema.metadata[b"key"] == b"value"
    assert read.schema.field("id").type == pa.string()
    assert repr(read.to_pylist()) == repr(table.to_pylist())


def test_many_rows_that_differ_are_read(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).random(2_000_000)
    path = _written(tmp_path, {"x": numbers, "same": np.zeros(2_000_000), "text": ["asma"] * 2_000_000})
    assert read_parquet(path, tmp_path).num_rows == 2_000_000


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": pa.nulls(10**8, pa.int64())}, {"row_group_size": 10**8}, "would become 100000000 values"),
        ({"x": pa.array([[1] * 10**6] * 20)}, {}, r"would become \d+ values"),
        ({"x": ["x" * 10**4] * 10_000}, {}, "would become 100000000 characters"),
        ({"x": [1.0] * 10**5}, {"compression": "zstd"}, "it is compressed as ZSTD"),
        ({"x": [1.0] * 10**5}, {"compression": "gzip"}, "it is compressed as GZIP"),
        ({f"c{i}": [1] for i in range(5000)}, {}, "it has 5000 columns"),
        ({"x": [{"a": {"b": 1}}]}, {}, "its column 'x' holds struct"),
        ({"x": [[[1]]]}, {}, "its column 'x' holds list<"),
        ({"x": [b"1"]}, {}, "its column 'x' holds binary"),
    ],
)
def test_a_table_that_is_refused(tmp_path: Path, columns: dict[str, Any], options: Any, message: str) -> None:
    path = _written(tmp_path, columns, **options)
    began = time.monotonic()
    with pytest.raises(ValueError, match=message):
        read_parquet(path, tmp_path)
    with pytest.raises(InputError, match=rf"records\.parquet: cannot be read as a table of rows \(.*{message}"):
        RECORDS.read(tmp_path)
    assert time.monotonic() - began < 3


def test_a_number_of_rows_that_no_file_has(tmp_path: Path) -> None:
    """The number stands in the footer, where it takes as many bytes as another one of its size."""
    path = _written(tmp_path, {"x": pa.nulls(10**6, pa.int64())}, row_group_size=10**6)
    content, most = path.read_bytes(), _varint(10**6)
    assert content.count(most) >= 2
    path.write_bytes(content.replace(most, _varint(2**20 * 2 - 1)))
    with pytest.raises((ValueError, OSError), match=r"."):
        read_parquet(path, tmp_path).validate(full=True)


def _varint(number: int) -> bytes:
    number, out = number * 2, b""
    while number > 127:
        out, number = out + struct.pack("B", number & 127 | 128), number >> 7
    return out + struct.pack("B", number)


def test_only_a_regular_file_of_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    _written(tmp_path, {"x": [1]})
    (tmp_path / "run" / "records.parquet").symlink_to(tmp_path / "records.parquet")
    with pytest.raises(OSError, match="a link out of the folder"):
        read_parquet(tmp_path / "run" / "records.parquet", tmp_path / "run")
    (tmp_path / "run" / "records.parquet").unlink()
    os.mkfifo(tmp_path / "run" / "records.parquet")
    with pytest.raises(OSError, match="Not a regular file"):
        read_parquet(tmp_path / "run" / "records.parquet", tmp_path / "run")
    with (tmp_path / "records.parquet").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="it has 1099511627776 bytes"):
        read_parquet(tmp_path / "records.parquet", tmp_path)
