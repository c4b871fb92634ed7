"""Takes out of a run's tables what is damaged or not done, so that it is attacked again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmark.errors import InputError
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES, Table, write_part

Key = tuple[Any, ...]


def set_aside_damaged(run: RunFolder) -> Iterator[str]:
    """Move every file of rows and traces that cannot be read to where nothing reads it; yields a line for each."""
    for table in (RECORDS, TRACES):
        for path in table.files(run.path):
            try:
                table.read_file(run.path, path)
            except FileNotFoundError:
                continue
            except InputError as error:
                yield f"{str(error).split(';')[0]}; it is now {run.set_aside(path)}, and its images are attacked again"


def keep_rows(
    run: RunFolder, table: Table, is_kept: Callable[[Path, Key], bool], discard: Callable[[Path], object] = Path.unlink
) -> None:
    """Remove the rows for whose file and key `is_kept` is False; a kill loses none of the others.

    A file that loses rows becomes a part, so that the run is unfinished, and is then given to `discard`.
    """
    for path in table.files(run.path):
        rows = table.read_file(run.path, path)
        kept = [is_kept(path, key) for key in table.keys_of(rows)]
        if all(kept):
            continue
        if any(kept):
            write_part(run.path, table, rows.filter(pa.array(kept)))
        discard(path)


def drop_traces_without_row(run: RunFolder) -> None:
    """Remove the traces of images that have no row, such as one that was interrupted between trace and row."""
    known = RECORDS.keys(run.path)
    keep_rows(run, TRACES, lambda _, key: key[:2] in known)
