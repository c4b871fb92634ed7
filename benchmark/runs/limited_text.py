"""Reads text and JSON that a stranger may have written: limits of size, depth and count come before any meaning."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.regular_files import open_regular

_DEEPEST = 64  # lists and mappings within each other
_MOST_DIGITS = 18  # of whole numbers, so that they take 64 bits
_LARGEST_NUMBER = 10**_MOST_DIGITS


def read_text(path: Path, largest: int, inside: Path | None = None) -> str:
    """A file's text in UTF-8.

    Args:
        path: of a regular file.
        largest: its size in bytes, at most.
        inside: the folder that has to hold it, as for `open_regular`.

    Raises:
        ValueError: the file cannot be opened, is larger, or is no text; the message says so in one line.
    """
    try:
        with open_regular(path, inside) as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise ValueError(error.strerror or " ".join(str(error).split())) from error
    if len(content) > largest:
        raise ValueError(f"it is larger than {largest} bytes")
    return content.decode("utf-8")


def read_json(path: Path, largest: int, inside: Path | None = None) -> Any:
    """The content of a JSON file. Raises ValueError as `read_text` and `parse_json` do."""
    return parse_json(read_text(path, largest, inside))


def parse_json(text: str) -> Any:
    """What JSON text says; NaN and infinities, which it cannot say, are read as Python writes them.

    Raises:
        ValueError: it is no JSON, nests too deeply, or has whole numbers beyond 64 bits.
    """
    try:
        document = json.loads(text, parse_int=_whole_number)
    except RecursionError as error:
        raise ValueError(_too_deep()) from error
    check_plain(document)
    return document


def check_plain(document: Any, *, most: int | None = None) -> None:
    """Raise ValueError unless this consists of texts, numbers, truth values, None, and lists and mappings of these.

    What is nested too deeply or has more than `most` values is refused, too; a value counts wherever it stands, so that
    lists that hold each other many times over are found before anything follows them.
    """
    count, depth = 0, 0
    open_parts: list[Iterator[Any]] = [iter([document])]
    while open_parts:
        for value in open_parts[-1]:
            count += 1
            if most is not None and count > most:
                raise ValueError(f"it holds more than {most} values")
            if isinstance(value, dict | list | tuple):
                open_parts.append(_parts(value))
                break
            if not (value is None or isinstance(value, str | bool | int | float)):
                raise ValueError(f"it holds a {type(value).__name__}")
            if isinstance(value, int) and not -_LARGEST_NUMBER < value < _LARGEST_NUMBER:
                raise ValueError("it holds a whole number beyond 64 bits")
        else:
            open_parts.pop()
        depth = max(depth, len(open_parts) - 1)
        if depth > _DEEPEST:
            raise ValueError(_too_deep())


def _parts(value: Any) -> Iterator[Any]:
    if not isinstance(value, dict):
        yield from value
        return
    for name, part in value.items():
        if not isinstance(name, str | int | float | bool | None):
            raise ValueError(f"it has a {type(name).__name__} as a name")
        yield part


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:  # reading a long number takes the square of its length
        raise ValueError("it holds a whole number beyond 64 bits")
    return int(digits)


def _too_deep() -> str:
    return f"it nests more than {_DEEPEST} deep"
