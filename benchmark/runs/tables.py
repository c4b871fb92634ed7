"""One image, one record: the row schema, and tables that survive a kill.

While a run is going on each finished image is a small Parquet file of its own, written under a temporary name and
renamed when whole, because a single growing Parquet file is unreadable until it is closed. At the end the parts are
merged into one file. Readers always see merged rows and parts together, each row once.
"""

import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.atomic_files import atomic_path
from benchmark.errors import InputError

T = TypeVar("T")

_LONGEST_NAME = 160  # file systems take 255 bytes, temporary names and endings included

PREDICTIONS = ("clean", "adv", "adv8")
"""The clean image, the float32 result, and the 8-bit file."""

NORMS = ("l0", "l1", "l2", "linf", "rms", "psnr", "ssim", "adv8_l1", "adv8_l2", "adv8_linf", "adv8_psnr")
"""How visible the perturbation is: of the float32 result, and of the 8-bit file where rounding can matter."""

_SCORES = [(f"{p}_{score}", pa.float64()) for p in PREDICTIONS for score in (
    "iou_target", "iou_truth", "pixel_acc_target", "pixel_acc_truth", "dice_truth",
)]  # fmt: skip

SCHEMA = pa.schema(
    [
        *[
            (name, pa.string())
            for name in ("run", "attack", "family", "victim", "data", "split", "id", "group", "target", "judge")
        ],
        *[(name, pa.string()) for name in ("norm", "equal_norm")],
        ("eps", pa.float64()),
        ("targeted", pa.bool_()),
        *[(name, pa.int64()) for name in ("seed", "height", "width", "classes", "background", "valid_pixels")],
        *[(name, pa.int64()) for name in ("target_draw", "target_draws", "target_pixels")],
        ("target_too_close", pa.bool_()),
        ("iou_target_truth", pa.float64()),
        *[(name, pa.bool_()) for name in ("success", "success8", "success_clean", "nonfinite_gradient")],
        *[(name, pa.int64()) for name in ("steps", "kept_step", "forwards", "backwards", "passes", "success_passes")],
        ("zero_gradients", pa.int64()),
        ("seconds", pa.float64()),
        *[(name, pa.float64()) for name in NORMS],
        *_SCORES,
        *[(f"{p}_confusion_truth", pa.list_(pa.int64())) for p in PREDICTIONS],
        ("adv8_sha256", pa.string()),
    ]
)
"""One row per attacked image and attack. Confusion tables are K×K counts, row-major, [labelled, predicted]; with
`background` (null: every class is foreground) every score to the truth can be recomputed from them.

`target` is the kind of target and, after a colon, the very map: the draw number `target_draw` (from 1) of the
`target_draws` that were made until one was neither too close to the truth nor to the clean prediction; where none was
(`target_too_close`), it is the least similar of them. `target_pixels` are its foreground pixels (0: erased),
`iou_target_truth` is its IoU to the truth, `clean_iou_target` to the clean prediction.

`family` is the attack's name without its budget; `norm` ("1", "2", "inf") the one it is about, `eps` its budget in that
norm (null: none), `equal_norm` the attack whose norm it copies image by image. `passes` are forwards + backwards,
`success_passes` those spent when the first success was confirmed (null: never). `adv8_sha256` is of the bytes of the
saved file, in hexadecimal (null: the row is older than the column)."""

TRACE_SCHEMA = pa.schema(
    [
        ("attack", pa.string()),
        ("id", pa.string()),
        ("step", pa.int64()),
        *[(name, pa.float64()) for name in ("iou", "pixel_acc", "l2", "linf", "loss")],
    ]
)
"""One row per image and kept step; iou and pixel_acc are to the labels the rule was given. What a rule reports of its
own, such as a multiplier, are further columns."""


@dataclass(frozen=True)
class Table:
    """A Parquet table `<run>/<name>.parquet` and its parts `<run>/<name>/part-*.parquet`, rows unique by `key`.

    Rows may have further columns of floats, whose whole names match the expression `further`; they come after those of
    the schema, in alphabetical order, and are null in rows without them.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    further: str

    def schema_with(self, names: Iterable[str]) -> pa.Schema:
        """The schema and those of `names` that are further columns of this table."""
        chosen = {name for name in names if name not in self.schema.names and re.fullmatch(self.further, name)}
        return pa.schema([*self.schema, *((name, pa.float64()) for name in sorted(chosen))])

    def merged(self, run: Path) -> Path:
        return run / f"{self.name}.parquet"

    def parts(self, run: Path) -> list[Path]:
        return sorted((run / self.name).glob("part-*.parquet"))

    def exists(self, run: Path) -> bool:
        """Whether the run has any rows, merged or not."""
        return self.merged(run).exists() or bool(self.parts(run))

    def read(self, run: Path) -> pa.Table:
        """Merged rows and parts, each key once, sorted by key. Raises InputError if the run has no such table."""
        table = pa.concat_tables(self._tables(run))
        keys = list(zip(*(table[column].to_pylist() for column in self.key), strict=True))
        if any(None in key for key in keys):
            raise InputError(f"{run}: a row of its table {self.name} has no {' or no '.join(self.key)}; restore it")
        first: dict[tuple[Any, ...], int] = {}
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        return table.take(pa.array([first[key] for key in sorted(first)], pa.int64()))

    def repeated(self, run: Path) -> list[tuple[Any, ...]]:
        """Keys that a file of the run holds twice, or that its files hold with different values; sorted.

        The same row in two files is what an interrupted `merge` leaves.
        """
        seen: dict[tuple[Any, ...], str] = {}
        found = set()
        for table in self._tables(run):
            keys = list(zip(*(table[column].to_pylist() for column in self.key), strict=True))
            found |= {key for key, times in Counter(keys).items() if times > 1}
            values = dict(zip(keys, map(repr, table.to_pylist()), strict=True))  # NaN does not equal itself
            found |= {key for key in keys if seen.get(key, values[key]) != values[key]}
            seen |= values
        return sorted(found, key=str)

    def missing(self, run: Path) -> set[str]:
        """Columns of the schema that none of the run's files has."""
        return set(self.schema.names) - self._of_files(run, _names)

    def _tables(self, run: Path) -> list[pa.Table]:
        def read_all(files: list[Path]) -> list[pa.Table]:
            reader = partial(_read_table, schema=self.schema_with(_names(files)))
            return [_read(path, reader) for path in files]

        return self._of_files(run, read_all)

    def _of_files(self, run: Path, reader: Callable[[list[Path]], T]) -> T:
        try:
            return reader(self._files(run))
        except FileNotFoundError:
            # Another process has merged the parts listed a moment ago; its file was there before they went.
            return self._of_files(run, reader)

    def _files(self, run: Path) -> list[Path]:
        # In this order: a part that goes while this runs is missed by its own reading, never by the listing.
        files = self.parts(run)
        if self.merged(run).exists():
            files.insert(0, self.merged(run))
        if not files:
            raise InputError(
                f"{run}: no {self.name}.parquet and no {self.name}/part-*.parquet; is this a run's folder?"
            )
        return files

    def keys(self, run: Path) -> set[tuple[Any, ...]]:
        """The keys of all rows; empty if there is no such table."""
        if not self.exists(run):
            return set()
        table = self.read(run)
        return set(zip(*(table[column].to_pylist() for column in self.key), strict=True))

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


RECORDS = Table("records", SCHEMA, ("attack", "id"), further=r"(clean_)?[a-z0-9]+_iou_(target|truth)")
"""Further columns: IoU of the 8-bit file, and with `clean_` of the clean image, after an input transform."""

TRACES = Table("traces", TRACE_SCHEMA, ("attack", "id", "step"), further=r".+")


class Writer:
    """Appends rows to a run's table, one whole part file per call."""

    def __init__(self, run: Path, table: Table, rank: int = 0) -> None:
        self._folder = run / table.name
        self._table = table
        self._prefix = f"part-{secrets.token_hex(4)}-{rank}"
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
        part = self._folder / f"{self._prefix}-{self._sequence:08d}.parquet"
        _write_whole(pa.Table.from_pylist([dict(row) for row in rows], schema=schema), part)
        self._sequence += 1


def read(run: Path | str) -> pa.Table:
    """All complete rows of a run, finished or not, one per (attack, id), sorted so."""
    return RECORDS.read(Path(run))


def drop_traces_without_row(run: Path) -> None:
    """Remove the traces of images that were interrupted between trace and row, before they are attacked again."""
    known = RECORDS.keys(run)
    for part in TRACES.parts(run):
        found = _read(part, partial(pq.read_table, columns=["attack", "id"])).to_pylist()
        if not {(row["attack"], row["id"]) for row in found} <= known:
            part.unlink()


def file_name(image_id: str) -> str:
    """A file name that is one-to-one with the id and cannot leave its folder, whatever the id holds."""
    if not image_id:
        return "%"
    name = quote(image_id, safe=" ()+,=@")
    if len(name) > _LONGEST_NAME:
        # quote writes capital hexadecimal digits, so "%x" marks what no short id can become.
        name = f"{name[:_LONGEST_NAME]}%x{hashlib.sha256(image_id.encode()).hexdigest()[:32]}"
    return name.replace(".", "%2E") if name.strip(".") == "" else name


def group_rows(rows: Iterable[Mapping[str, Any]], column: str) -> dict[Any, list[Mapping[str, Any]]]:
    """Rows by the value of a column, in order of first appearance."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def _names(files: Iterable[Path]) -> set[str]:
    return {name for path in files for name in _read(path, pq.read_schema).names}


def _read_table(path: Path, schema: pa.Schema) -> pa.Table:
    table = pq.read_table(path, schema=schema)
    table.validate(full=True)  # damaged text is else only found when it is used
    return table


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return reader(path)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as a table of rows ({reason}); remove it to go on") from error


def _write_whole(table: pa.Table, path: Path) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)
