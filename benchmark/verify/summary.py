"""summary.json compared with the summary that the rows give."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from benchmark.errors import InputError
from benchmark.past_runs.mismatch import RESUME, Mismatch, same
from benchmark.results.summary import make_summary
from benchmark.runs import layout
from benchmark.runs.folder import RunFolder


def summary_mismatches(run: RunFolder, rows: pa.Table) -> Iterator[Mismatch]:
    """Every entry of summary.json that differs from what `rows` give."""
    try:
        recorded = run.summary()
    except InputError as error:
        yield Mismatch(layout.SUMMARY, str(error), RESUME)
        return
    try:
        computed = make_summary(rows).document()
    except Exception as error:  # rows of a stranger may hold any values
        yield Mismatch(layout.SUMMARY, f"cannot be computed from the rows ({type(error).__name__}: {error})")
        return
    yield from _compare(recorded, computed, "")


def _compare(recorded: Any, computed: Any, place: str) -> Iterator[Mismatch]:
    if isinstance(recorded, Mapping) and isinstance(computed, Mapping):
        for name in {**recorded, **computed}:
            entry = f"{place}.{name}".lstrip(".")
            if name not in computed:
                yield Mismatch(layout.SUMMARY, "does not follow from the rows", RESUME, entry)
            elif name not in recorded:
                yield Mismatch(layout.SUMMARY, "is missing", RESUME, entry)
            else:
                yield from _compare(recorded[name], computed[name], entry)
    elif isinstance(recorded, list) and isinstance(computed, list) and len(recorded) == len(computed):
        for index, (one, other) in enumerate(zip(recorded, computed, strict=True)):
            name = other.get("attack", index) if isinstance(other, Mapping) else index
            yield from _compare(one, other, f"{place}.{name}".lstrip("."))
    elif not same(recorded, computed):
        yield Mismatch(layout.SUMMARY, f"says {recorded!r}, the rows give {computed!r}", RESUME, place)
