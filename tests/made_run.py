"""Folders of runs that never ran: rows and pictures as tests want them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmark.images.label_maps import save_map
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES, Writer
from tests.example_rows import row, table


def random_rows(attack: str, ids: Sequence[str], seed: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Rows whose scores and norms are drawn, about half of them successes."""
    random = np.random.default_rng(seed)
    found = []
    for image in ids:
        drawn: dict[str, Any] = {
            name: float(random.uniform(0.1, 0.9)) for name in ("clean_iou_truth", "adv8_iou_target")
        }
        drawn |= {"l2": float(random.uniform(1, 9)), "linf": float(random.uniform(0.01, 0.2))}
        drawn |= {"steps": int(random.integers(1, 9)), "passes": int(random.integers(10, 99))}
        drawn |= {"success8": bool(random.integers(2)), "success_clean": False}
        drawn["success_passes"] = drawn["passes"] - 2 if drawn["success8"] else None
        found.append(row(image, attack=attack, targeted=True, seconds=0.5, **(drawn | changes)))
    return found


def make_run(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    size: int = 16,
    pictures: bool = True,
    config: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> Path:
    """Write rows, traces of five steps, pictures and, if given, what the run says of itself."""
    folder.mkdir(parents=True)
    Writer(folder, RECORDS).append([dict(one) for one in rows])
    RECORDS.merge(folder)
    traces = [
        dict.fromkeys(TRACES.schema.names)
        | {"attack": one["attack"], "id": one["id"], "step": step, "iou": 0.1 * step + 0.3, "l2": float(step)}
        for one in rows
        for step in range(5)
    ]
    Writer(folder, TRACES).append(traces)
    TRACES.merge(folder)
    random = np.random.default_rng(1)
    for one in rows if pictures else ():
        _save_pictures(folder, one, size, random)
    for name, document in (("config.yaml", config), ("environment.json", environment)):
        if document is not None:
            (folder / name).write_text(json.dumps(document))
    return folder


def _save_pictures(folder: Path, one: Mapping[str, Any], size: int, random: np.random.Generator) -> None:
    y, x = np.mgrid[:size, :size]
    centre, radius = random.uniform(0.3, 0.7, 2) * size, random.uniform(0.1, 0.3) * size
    truth = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2).astype(np.uint8)
    clean = 150 + 60 * np.sin(x / size * 5)[..., None] - 80 * truth[..., None] + random.normal(0, 6, (size, size, 3))
    adv = clean + random.normal(0, 4, clean.shape)
    for path, pixels in (
        (RunFolder(folder).picture("clean", one["id"]), clean),
        (RunFolder(folder).adversarial(one["attack"], one["id"]), adv),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    save_map(truth, RunFolder(folder).picture("truth", one["id"]))
    save_map(truth, RunFolder(folder).picture("prediction", one["id"]))
    save_map(truth.T, RunFolder(folder).picture("target", one["id"]))
    save_map(truth.T, RunFolder(folder).prediction(one["attack"], one["id"]))


def rows_of(folder: Path) -> pa.Table:
    """All rows, by the schema."""
    return table(*RECORDS.read(folder).to_pylist())
