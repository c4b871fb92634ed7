"""A digest of the values of a table, which does not depend on how a file holds them."""

import hashlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc


def digest(table: pa.Table) -> str:
    """SHA-256 of names, types and values of all columns, in hexadecimal.

    The same for any order of the columns, and for any chunks, encodings and compression. Columns hold numbers,
    booleans, texts, or lists of these. Raises TypeError for others.
    """
    hashed = hashlib.sha256()
    for name in sorted(table.column_names):
        hashed.update(f"{name} ".encode())
        for values in _values(table[name]):
            hashed.update(values)
    return hashed.hexdigest()


def _values(column: pa.ChunkedArray) -> Iterator[bytes]:
    """Type, which values are there, the length of each if it is a list or a text, and the values; null is empty."""
    # Of a list only this: files give other names to what is in it.
    yield f"{'list' if pa.types.is_list(column.type) else column.type} ".encode()
    yield column.is_valid().to_numpy().tobytes()
    if pa.types.is_list(column.type):
        yield pc.list_value_length(column).fill_null(0).to_numpy().tobytes()
        yield from _values(pc.list_flatten(column))
    elif pa.types.is_string(column.type):
        yield pc.binary_length(column).fill_null(0).to_numpy().tobytes()
        yield "".join(column.fill_null("").to_pylist()).encode()
    elif pa.types.is_boolean(column.type):
        yield column.fill_null(False).to_numpy().tobytes()
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        yield column.fill_null(0).to_numpy().tobytes()
    else:
        raise TypeError(f"columns of type {column.type} are not supported")
