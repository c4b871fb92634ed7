"""summary.json beside what the rows give."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmark.past_runs.mismatch import Mismatch, same
from benchmark.results.summary import make_summary

_NAME = "summary.json"


def summary_faults(folder: Path, rows: pa.Table) -> Iterator[Mismatch]:
    """Every number of summary.json that the rows do not give again; what only this version knows is not asked for."""
    try:
        said = json.loads((folder / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield Mismatch(_NAME, f"cannot be read ({' '.join(str(error).split())})")
        return
    try:
        found = json.loads(json.dumps(make_summary(rows).document()))
    except Exception as error:  # any rows may come here
        yield Mismatch(_NAME, f"cannot be computed from the rows ({type(error).__name__}: {error})")
        return
    yield from _compare(said, found, "")


def _compare(said: Any, found: Any, place: str) -> Iterator[Mismatch]:
    if isinstance(said, Mapping) and isinstance(found, Mapping):
        for name, value in said.items():
            if name in found:
                yield from _compare(value, found[name], f"{place}.{name}".lstrip("."))
            else:
                yield Mismatch(_NAME, "is nothing that rows give", column=f"{place}.{name}".lstrip("."))
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for index, (one, other) in enumerate(zip(said, found, strict=True)):
            named = other.get("attack", index) if isinstance(other, Mapping) else index
            yield from _compare(one, other, f"{place}.{named}".lstrip("."))
    elif not same(said, found):
        yield Mismatch(_NAME, f"says {said!r}, the rows give {found!r}", column=place)
