"""Tables of rows that survive a kill.

During a run each finished image is a small Parquet file, because a single growing Parquet file is unreadable until it
is closed. At the end these parts are merged into one file. Readers see merged rows and parts together, each row once.
"""

import itertools
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError, machine_error
from benchmark.runs import layout
from benchmark.runs.parquet_limits import read_parquet
from benchmark.runs.row_schema import SCHEMA, TRACE_SCHEMA
from benchmark.runs.table_digest import digest

_DIGEST = b"benchmark.sha256"  # the key of a file's metadata that has the digest of its values


@dataclass(frozen=True)
class Table:
    """A Parquet table `<run>/<name>.parquet` and its parts `<run>/<name>/part-*.parquet`, rows unique by `key`.

    Rows may have further columns of floats, whose whole names match the expression `further`; they come after those of
    the schema, in alphabetical order, and are null in rows without them. `cure` says what to do about a damaged file;
    it may name the folder as {run}.

    Each file holds a digest of its values. A file whose values have another one was damaged, or changed by hand, and is
    refused unless the caller asks for `altered` ones, too. Files that others have written hold none.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    further: str
    cure: str = "restore it or remove it to go on"

    def schema_with(self, names: Iterable[str]) -> pa.Schema:
        """The schema and those of `names` that are further columns of this table."""
        chosen = {name for name in names if name not in self.schema.names and re.fullmatch(self.further, name)}
        return pa.schema([*self.schema, *((name, pa.float64()) for name in sorted(chosen))])

    def merged(self, run: Path) -> Path:
        return run / layout.TABLE.format(name=self.name)

    def parts(self, run: Path) -> list[Path]:
        return sorted((run / self.name).glob(layout.PARTS))

    def exists(self, run: Path) -> bool:
        """Whether the run has any rows, merged or not."""
        return self.merged(run).exists() or bool(self.parts(run))

    def files(self, run: Path) -> list[Path]:
        """The files that hold the rows, the merged one first."""
        # In this order: parts may be merged between the two lines, and then the merged file has their rows.
        parts = self.parts(run)
        return [path for path in [self.merged(run)] if path.exists()] + parts

    def read(self, run: Path, *, altered: bool = False) -> pa.Table:
        """Merged rows and parts, each key once, sorted by key.

        Raises:
            InputError: the run has no such table, or a file of it is damaged.
        """
        table = pa.concat_tables(self._tables(run, altered))
        index: dict[tuple[Any, ...], int] = {}
        for number, key in enumerate(self.keys_of(table)):
            index.setdefault(key, number)
        return table.take(pa.array([index[key] for key in sorted(index)], pa.int64()))

    def read_file(self, run: Path, path: Path, *, altered: bool = False) -> pa.Table:
        """The rows of one file of the run, with its own further columns.

        Raises:
            InputError: the file is damaged, or a row has no key.
            FileNotFoundError: there is no such file.
        """
        cure = self.cure.format(run=run)
        with _refused(path, cure):
            table = read_parquet(path, run)
            if missing := sorted(set(self.schema.names) - set(table.column_names)):
                raise InputError(f"{path}: has no column {missing[0]}; {cure}")
            as_written = altered or _is_as_written(table)
            table = _with_columns(table, self.schema_with(table.column_names))
        if not as_written:
            raise InputError(f"{path}: its values have changed since they were written; {cure}")
        if any(table[column].null_count for column in self.key):
            raise InputError(f"{path}: a row has no {' or no '.join(self.key)}; {cure}")
        return table

    def keys(self, run: Path) -> set[tuple[Any, ...]]:
        """The keys of all rows; empty if there is no such table."""
        return set(self.keys_of(self.read(run))) if self.exists(run) else set()

    def repeated(self, run: Path) -> list[tuple[Any, ...]]:
        """Keys that a file of the run holds twice, or that its files hold with different values; sorted.

        The same row in two files is what an interrupted `merge` leaves.
        """
        seen: dict[tuple[Any, ...], str] = {}
        repeated = set()
        for table in self._tables(run, altered=True):
            keys = self.keys_of(table)
            repeated |= {key for key, times in Counter(keys).items() if times > 1}
            values = dict(zip(keys, map(repr, table.to_pylist()), strict=True))  # NaN does not equal itself
            repeated |= {key for key in keys if seen.get(key, values[key]) != values[key]}
            seen |= values
        return sorted(repeated, key=str)

    def altered(self, run: Path) -> list[Path]:
        """The files whose values have another digest than the one that was written with them.

        Raises:
            InputError: a file cannot be read.
        """
        found = []
        for path in self.files(run):
            with _refused(path, self.cure.format(run=run)):
                if not _is_as_written(read_parquet(path, run)):
                    found.append(path)
        return found

    def keys_of(self, table: pa.Table) -> list[tuple[Any, ...]]:
        """The key of each row."""
        return list(zip(*(table[column].to_pylist() for column in self.key), strict=True))

    def _tables(self, run: Path, altered: bool) -> list[pa.Table]:
        """The contents of each file, all with the same columns."""
        files = self.files(run)
        if not files:
            missing = f"{run}: no {self.merged(run).name} and no {self.name}/{layout.PARTS}"
            if (run / layout.CONFIG).exists():
                raise InputError(f"{missing}: no image is finished; go on with the run (run.resume={run})")
            raise InputError(f"{missing}; is this a run's folder?")
        try:
            tables = [self.read_file(run, path, altered=altered) for path in files]
        except FileNotFoundError:
            # Another process has merged the parts listed a moment ago; its file was there before they went.
            return self._tables(run, altered)
        schema = self.schema_with(itertools.chain(*(table.column_names for table in tables)))
        return [_with_columns(table, schema) for table in tables]

    def merge(self, run: Path) -> Path:
        """Write all rows into one file, then delete the parts; a kill at any moment loses nothing."""
        parts = self.parts(run)
        path = self.merged(run)
        _write_whole(self.read(run) if parts or path.exists() else self.schema.empty_table(), path)
        for part in parts:
            part.unlink()
        if (run / self.name).is_dir() and not any((run / self.name).iterdir()):
            (run / self.name).rmdir()
        return path


@contextmanager
def _refused(path: Path, cure: str) -> Iterator[None]:
    """Turn what goes wrong with reading `path` into one line; a FileNotFoundError stays what it is."""
    try:
        yield
    except (FileNotFoundError, InputError):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        if failure := machine_error(error, path, reading=True):  # the table may be whole
            raise failure from error
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as a table of rows ({reason}); {cure}") from error


_RESUME = "go on with the run (run.resume={run}), which attacks its images again"

RECORDS = Table(
    layout.RECORDS, SCHEMA, ("attack", "id"), further=r"(clean_)?[a-z0-9]+_iou_(target|truth)", cure=_RESUME
)
"""Further columns: IoU of the 8-bit file, and with `clean_` of the clean image, after an input transform."""

TRACES = Table(layout.TRACES, TRACE_SCHEMA, ("attack", "id", "step"), further=r".+", cure=_RESUME)


class Writer:
    """Appends rows to a run's table, one whole part file per call."""

    def __init__(self, run: Path, table: Table, rank: int = 0) -> None:
        self._folder = run / table.name
        self._table = table
        self._name = f"{secrets.token_hex(4)}-{rank}"
        self._sequence = 0

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows (column -> value). Raises ValueError for missing or unknown columns."""
        if not rows:
            return
        schema = self._table.schema_with({name for row in rows for name in row})
        needed, known = set(self._table.schema.names), set(schema.names)
        for row in rows:
            if wrong := sorted((needed - set(row)) | (set(row) - known)):
                raise ValueError(f"{self._table.name}: columns missing from the row or unknown to the schema: {wrong}")
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / layout.PART.format(writer=self._name, number=self._sequence)
        _write_whole(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), part)
        self._sequence += 1


def read(run: Path | str, *, altered: bool = False) -> pa.Table:
    """All complete rows of a run, finished or not, one per (attack, id), sorted so."""
    return RECORDS.read(Path(run), altered=altered)


def write_part(run: Path, table: Table, rows: pa.Table) -> None:
    """Write rows as a new part file."""
    folder = run / table.name
    folder.mkdir(parents=True, exist_ok=True)
    _write_whole(rows, folder / layout.PART.format(writer=f"{secrets.token_hex(4)}-0", number=0))


def group_rows(rows: Iterable[Mapping[str, Any]], column: str) -> dict[Any, list[Mapping[str, Any]]]:
    """Rows by the value of a column, in order of first appearance."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def _is_as_written(table: pa.Table) -> bool:
    written = (table.schema.metadata or {}).get(_DIGEST)
    return written is None or written == digest(table).encode()


def _with_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a schema, null where the table lacks one."""
    for name in set(schema.names) - set(table.column_names):
        table = table.append_column(schema.field(name), pa.nulls(len(table), schema.field(name).type))
    return table.select(schema.names).cast(schema)


def _write_whole(table: pa.Table, path: Path) -> None:
    table = table.replace_schema_metadata({_DIGEST: digest(table)})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)
