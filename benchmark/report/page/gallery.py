"""The data of the page's scripts: the columns, pictures and trace of every row."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow.types as kinds

from benchmark.errors import InputError
from benchmark.report.figures.saved_images import saved_pictures
from benchmark.report.page.thumbnails import Thumbnails
from benchmark.results.entries import Entry
from benchmark.results.erased_targets import left_text
from benchmark.results.loaded_runs import Run
from benchmark.results.traces import of_attack, per_image
from benchmark.results.truth_name import truth_name
from benchmark.runs.folder import RunFolder
from benchmark.runs.layout import Picture
from benchmark.runs.tables import RECORDS

MOST_PICTURES = 500
"""The number of rows whose pictures are embedded. The page loads those of other rows from the run's folder."""

_FEW = 48  # rows up to which pictures are embedded without loss and larger
_TRACE_POINTS = 60
_SAME: tuple[Picture, ...] = ("clean", "truth", "target", "prediction")


def gallery(compared: Sequence[Entry], page: Path) -> dict[str, Any]:
    """The rows of all entries as JSON data for a page at the path `page`, from which addresses of files are relative.

    Returns:
        {"entries": [{"name", "attack", "run", "targeted", "truth", "ids", "left", "columns": {name: value of all or
        list}, "traces", "pictures", "files"}], "cases": {run: {id: {picture: data URI}}}}; lists have an item per id,
        or null. "left" says how much is left of erased structures, in place of an IoU.
    """
    shown = [(entry, entry.run) for entry in compared if entry.run is not None]
    each = max(1, MOST_PICTURES // max(1, len(shown)))
    total = sum(min(each, len(entry.rows)) for entry, _ in shown)
    small = Thumbnails(256, lossless=True) if total <= _FEW else Thumbnails(128, lossless=False)
    cases: dict[str, dict[str, Any]] = {}
    listed = []
    for entry, run in shown:
        of_run = cases.setdefault(str(run.folder.path), {})
        listed.append({
            "name": entry.name,
            "attack": entry.attack,
            "run": str(run.folder.path),
            "targeted": bool(entry.rows[0]["targeted"]),
            "truth": truth_name([entry.summary]),
            "ids": [str(row["id"]) for row in entry.rows],
            "left": [left_text(row) for row in entry.rows],
            "columns": _columns(entry.rows),
            "traces": _traces(run, entry),
            "pictures": [_pictures(run.folder, row, small, of_run) for row in entry.rows[:each]]
            + [None] * len(entry.rows[each:]),
            "files": [_files(run.folder, row, page) for row in entry.rows],
        })  # fmt: skip
    return {"entries": listed, "cases": cases}


def plain(value: Any) -> Any:
    """A value that JSON can hold: numbers with seven digits, "inf" and "-inf" for infinities, None for NaN."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.7g}") if math.isfinite(value) else None if math.isnan(value) else str(value)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Column -> its values, or its one value if all rows share it; lists are left out."""
    schema = RECORDS.schema_with(rows[0])
    columns: dict[str, Any] = {}
    for name in schema.names:
        if not kinds.is_list(schema.field(name).type) and name not in ("id", "run", "attack"):
            values = [plain(row.get(name)) for row in rows]
            columns[name] = values if any(value != values[0] for value in values) else values[0]
    return columns


def _traces(run: Run, entry: Entry) -> list[dict[str, list[Any]] | None]:
    by_id = {} if run.traces is None else per_image(of_attack(run.traces, entry.attack))
    return [_thinned(by_id.get(row["id"], [])) for row in entry.rows]


def _thinned(points: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]] | None:
    if not points:
        return None
    kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), _TRACE_POINTS)).round().astype(int))
    return {name: [plain(points[k][name]) for k in kept] for name in ("step", "iou", "l2")}


def _pictures(
    folder: RunFolder, row: Mapping[str, Any], small: Thumbnails, of_run: dict[str, Any]
) -> dict[str, Any] | None:
    """The pictures of this attack on the image; those that all attacks share are added to `of_run`."""
    try:
        item = saved_pictures(folder, row)
    except InputError:
        return None
    if item.id not in of_run:
        maps = {"truth": item.truth, "target": item.target, "prediction": item.clean_pred}
        of_run[item.id] = {"clean": small.photograph(item.image)} | {k: small.overlay(v) for k, v in maps.items()}
    change, scale = small.change(item.delta)
    adversarial, fooled = small.photograph(item.adv), small.overlay(item.adv_pred)
    return {"adversarial": adversarial, "fooled": fooled, "change": change, "scale": scale}


def _files(folder: RunFolder, row: Mapping[str, Any], page: Path) -> dict[str, str] | None:
    """The addresses of the files that exist, relative to the page."""
    attack, image = str(row["attack"]), str(row["id"])
    paths: dict[str, Path] = {name: folder.picture(name, image) for name in _SAME}
    paths["adversarial"] = folder.adversarial(attack, image)
    paths["fooled"] = folder.prediction(attack, image)
    return {name: _address(path, page) for name, path in paths.items() if path.exists()} or None


def _address(path: Path, page: Path) -> str:
    relative = os.path.relpath(path.resolve(), page.resolve().parent)
    return quote(Path(relative).as_posix())
