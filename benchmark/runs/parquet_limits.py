"""Reads a Parquet file that a stranger may have made: what it would become is held against what it is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds

from benchmark.regular_files import open_regular

_LARGEST = 2**32  # bytes of a file
_MOST_COLUMNS = 4096
_CODECS = ("SNAPPY", "UNCOMPRESSED")  # others can make thousands of bytes of one

# A value that repeats takes next to no room in a file. Rows that a run has written repeat little; a small file may.
_FREE_VALUES, _VALUES_PER_BYTE = 10**6, 8
_FREE_TEXT, _TEXT_PER_BYTE = 2**24, 64  # characters


def read_parquet(path: Path, inside: Path) -> pa.Table:
    """The table of a file, with the metadata of its schema.

    Args:
        path: of the file.
        inside: the folder that has to hold it.

    Raises:
        FileNotFoundError: there is no such file.
        OSError, ValueError, pa.ArrowException: it is no Parquet file of texts, numbers, truth values and lists of
            numbers, or it claims far more values than such a file can hold.
    """
    with open_regular(path, inside) as file:
        size = file.seek(0, 2)
        if size > _LARGEST:
            raise ValueError(f"it has {size} bytes; at most {_LARGEST} are read")
        limits = {"thrift_string_size_limit": 2**24, "thrift_container_size_limit": 2**20}
        with pq.ParquetFile(file, page_checksum_verification=True, **limits) as parquet:
            _check(parquet, size)
            texts = [field.name for field in parquet.schema_arrow if kinds.is_string(field.type)]
        # Texts are read as numbers of entries of a list of texts, so that one that repeats is there once.
        file.seek(0)
        with pq.ParquetFile(file, page_checksum_verification=True, read_dictionary=texts, **limits) as parquet:
            table = parquet.read()
    _check_texts(table, size)
    for place, field in enumerate(table.schema):
        if kinds.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
    table.validate(full=True)  # else damaged text is noticed only when it is used
    return table


def _check(parquet: pq.ParquetFile, size: int) -> None:
    about = parquet.metadata
    if about.num_columns > _MOST_COLUMNS:
        raise ValueError(f"it has {about.num_columns} columns; at most {_MOST_COLUMNS} are read")
    for field in parquet.schema_arrow:
        if not _is_flat(field.type):
            raise ValueError(f"its column {field.name[:100]!r} holds {str(field.type)[:100]}")
    values = about.num_rows * max(1, about.num_columns)
    for group in map(about.row_group, range(about.num_row_groups)):
        columns = [group.column(place) for place in range(group.num_columns)]
        if unknown := {column.compression for column in columns} - {*_CODECS}:
            raise ValueError(f"it is compressed as {min(unknown)}, not as {' or '.join(_CODECS)}")
        values += sum(max(0, column.num_values - group.num_rows) for column in columns)
    if values > _FREE_VALUES + _VALUES_PER_BYTE * size:
        raise ValueError(f"its {size} bytes would become {values} values")


def _is_flat(kind: pa.DataType) -> bool:
    if kinds.is_list(kind):
        kind = kind.value_type
        return kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_null(kind)
    scalar = (kinds.is_string, kinds.is_boolean, kinds.is_integer, kinds.is_floating, kinds.is_null)
    return any(is_kind(kind) for is_kind in scalar)


def _check_texts(table: pa.Table, size: int) -> None:
    characters = 0
    for column in table.columns:
        for chunk in column.chunks if kinds.is_dictionary(column.type) else ():
            lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
            characters += pc.sum(pc.cast(lengths, pa.int64())).as_py() or 0
    if characters > _FREE_TEXT + _TEXT_PER_BYTE * size:
        raise ValueError(f"its {size} bytes would become {characters} characters")
