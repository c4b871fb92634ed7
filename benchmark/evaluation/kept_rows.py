"""Which rows of a run that goes on are done: those of this run whose pictures and trace are whole."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.errors import InputError
from benchmark.evaluation.row_writer import RunInfo
from benchmark.runs.folder import RunFolder
from benchmark.runs.points import load_point, point_sha256
from benchmark.runs.repair import drop_traces_without_row, keep_rows
from benchmark.runs.row_files import RowFiles
from benchmark.runs.tables import RECORDS, TRACES

Key = tuple[str, str]
"""(attack, id) of a row."""

_NAMES = ("run", "victim", "data")  # columns that a run may have other values of when its folder or its data have moved


def kept_point(run: RunFolder, row: Mapping[str, Any]) -> Tensor:
    """The float result (C, H, W) of a row of the run, from which another attack starts.

    Raises InputError if it is not the one that the row was made with.
    """
    path = run.point(row["attack"], row["id"])
    cure = f"go on with the run (run.resume={run.path}), which attacks its images again"
    try:
        point = load_point(path, inside=run.path)
    except InputError as error:
        raise InputError(f"{error}; {cure}") from error
    if point_sha256(point) != row["point_sha256"]:
        raise InputError(f"{path}: is not the point that was kept; {cure}")
    return torch.from_numpy(point)


def drop_rows_not_done(
    run: RunFolder, info: RunInfo, ids: Collection[str], advance: Callable[[], object]
) -> Iterator[str]:
    """Remove the rows of images that have to be attacked again, with their traces; yields a line for each reason.

    Files with rows of another run are set aside; this run's own rows in them are kept. A row of this run is removed
    if one of its pictures, its point or its trace is missing or damaged, or if the row is not kept whose point it
    started from. No other process may use the tables meanwhile.

    Args:
        run: its files of rows can be read, see `repair.set_aside_damaged`.
        info: the run that goes on.
        ids: of its images.
        advance: called once for each row.
    """
    foreign: dict[Path, str] = {}
    lost: set[tuple[Path, Key]] = set()
    started: list[tuple[Path, Key, Key, str | None]] = []
    points: dict[Key, str | None] = {}
    files, traced = RowFiles(run), {key[:2] for key in TRACES.keys(run.path)}
    reported: set[Path] = set()
    for path in RECORDS.files(run.path):
        for row in RECORDS.read_file(run.path, path).to_pylist():
            advance()
            key = (row["attack"], row["id"])
            if reason := _difference(row, info, ids):
                foreign.setdefault(path, reason)
                lost.add((path, key))
                continue
            damaged = list(files.damage(row))
            if damaged or (row["steps"] and key not in traced):
                lost.add((path, key))
            if not damaged and row["steps"] and key not in traced:
                yield f"{path}: the trace of {' / '.join(key)} is missing; the image is attacked again"
            for picture, what in damaged:
                if picture not in reported:
                    reported.add(picture)
                    yield f"{picture}: {what}; the image is attacked again"
            if (path, key) not in lost:
                points[key] = row["point_sha256"]
            if row["start_from"] is not None:
                started.append((path, key, (row["start_from"], row["id"]), row["start_sha256"]))
    # In the order of attacks, so that a row that is lost here is so for those which started from it.
    order = list(info.plan.attacks)
    for path, key, below, start in sorted(started, key=lambda one: order.index(one[1][0]) if one[1][0] in order else 0):
        if (path, key) not in lost and (start is None or points.get(below) != start):
            lost.add((path, key))
            points.pop(key, None)
            yield f"{path}: {' / '.join(key)} started from what {' / '.join(below)} has lost; it is attacked again"
    places: dict[Path, Path] = {}

    def discard(path: Path) -> None:
        if path in foreign:
            places[path] = run.set_aside(path)
        else:
            path.unlink()

    keep_rows(run, RECORDS, lambda path, key: (path, key) not in lost, discard)
    for path, place in places.items():
        yield f"{path}: held rows of another run ({foreign[path]}); it is now {place}"
    drop_traces_without_row(run)


def _difference(row: Mapping[str, Any], info: RunInfo, ids: Collection[str]) -> str | None:
    """How a row shows that it belongs to another run; None if it belongs to this one."""
    attack = info.plan.attacks.get(row["attack"])
    if attack is None:
        return f"this one has no attack {row['attack']}"
    if row["id"] not in ids:
        return f"this one has no image {row['id']}"
    if (split := info.data.own_split(row["id"])) != row["split"]:
        return f"split of {row['id']} is {row['split']}, here {split}"
    expected = {name: value for name, value in info.columns().items() if name not in _NAMES}
    for name, value in (expected | attack.columns(row["attack"])).items():
        if row[name] != value:
            return f"{name} is {row[name]}, here {value}"
    return None
