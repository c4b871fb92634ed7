"""Frauds and mistakes that are planted in copies of finished runs, and the word by which `verify` has to name each."""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from omegaconf import OmegaConf
from PIL import Image

from benchmark.atomic_files import save_text
from benchmark.errors import InputError
from benchmark.report.figures.run_curves import draw_curves
from benchmark.report.page.page import write_page
from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.table import markdown
from benchmark.results.loaded_runs import read_results
from benchmark.results.summary import write_summary
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import TRACES
from tests.fixtures.spoilt import edit_json, in_parts, rewrite, sha256_of

Row = dict[str, Any]


class Fraud(NamedTuple):
    """What is done to a copy of a run, and a word of a line that names it; None: a folder alone cannot show it."""

    name: str
    plant: Callable[[Path], object]
    word: str | None


def publish_again(folder: Path) -> None:
    """Make all that follows from the rows again, as a fraud does who knows the program."""
    run = RunFolder(folder)
    with suppress(InputError):  # rows that no summary can be made of
        _publish(run)


def _publish(run: RunFolder) -> None:
    folder = run.path
    summary = write_summary(tables.read(folder), run)
    save_text(run.comparison_file, markdown(comparison(*summary, run.environment().get("victim_check"))))
    draw_curves(read_results([folder]), run.curves_file)
    write_page(read_results([folder]), run.report_file)


def rows_changed(change: Callable[[Row], Mapping[str, Any]], attack: str = "pgd@8", failed: bool = True) -> Any:
    """Change one row of an attack, a failure or a success, and publish again."""

    def plant(folder: Path) -> None:
        rows = tables.read(folder).to_pylist()
        chosen = next(r for r in rows if r["attack"] == attack and (r["success_passes"] is None) == failed)
        rewrite(folder, lambda rows: [row | change(row) if row == chosen else row for row in rows])
        publish_again(folder)

    return plant


def column(name: str, change: Callable[[Any], Any], **where: Any) -> Any:
    return rows_changed(lambda row: {name: change(row[name])}, **where)


def rows_kept(keep: Callable[[Row], bool], parts: bool = False) -> Any:
    """Remove rows, and put the others back into parts if asked to."""

    def plant(folder: Path) -> None:
        rewrite(folder, lambda rows: [row for row in rows if keep(row)])
        publish_again(folder)
        if parts:
            in_parts(folder)
            (folder / "summary.json").unlink()

    return plant


def text_edited(name: str, old: str, new: str) -> Any:
    def plant(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return plant


def configured(key: str, value: Any, hash_too: bool = True) -> Any:
    """Change a value of config.yaml, by default together with its recorded hash."""

    def plant(folder: Path) -> None:
        config = OmegaConf.load(folder / "config.yaml")
        OmegaConf.update(config, key, value)
        OmegaConf.save(config, folder / "config.yaml")
        if hash_too:
            edit_json(folder / "environment.json", config_sha256=sha256_of(folder / "config.yaml"))

    return plant


def environment(**entries: Any) -> Any:
    return lambda folder: edit_json(folder / "environment.json", **entries)


def swapped(kind: str) -> Any:
    """Exchange the pictures of two images."""

    def plant(folder: Path) -> None:
        first, second, *_ = sorted((folder / kind).glob("*.png"))
        kept = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(kept)

    return plant


def pixel_changed(kind: str) -> Any:
    def plant(folder: Path) -> None:
        path = sorted((folder / kind).glob("*.png"))[0]
        with Image.open(path) as picture:
            pixels = np.array(picture)
        pixels.flat[7] ^= 1
        Image.fromarray(pixels).save(path)

    return plant


def checkpoint_changed(folder: Path) -> None:
    path = folder / "checkpoints" / "best.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.unlink()
    path.write_bytes(content)


def traces_changed(change: Callable[[list[Row]], list[Row]]) -> Any:
    def plant(folder: Path) -> None:
        table = TRACES.read(folder)
        changed = pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema)
        pq.write_table(changed, folder / "traces.parquet")
        publish_again(folder)

    return plant


def data_changed(folder: Path) -> None:
    config = OmegaConf.load(folder / "config.yaml")
    root = Path(shutil.copytree(config.data.root, folder.parent / "data"))
    path = sorted((root / "images").glob("*.png"))[-1]
    with Image.open(path) as picture:
        pixels = np.array(picture)
    pixels[0, 0] ^= 4
    Image.fromarray(pixels).save(path)
    configured("data.root", str(root))(folder)


def split_reversed(folder: Path) -> None:
    splits = json.loads((folder / "splits.json").read_text())
    edit_json(folder / "splits.json", test=splits["test"][::-1])


def split_shortened(folder: Path) -> None:
    splits = json.loads((folder / "splits.json").read_text())
    left = splits["test"][:1]
    edit_json(folder / "splits.json", test=left)
    rows_kept(lambda row: row["id"] in left)(folder)


def row_doubled(folder: Path) -> None:
    rewrite(folder, lambda rows: [*rows, rows[0] | {"success8": not rows[0]["success8"]}])


def summary_changed(folder: Path) -> None:
    document = json.loads((folder / "summary.json").read_text())
    document["attacks"][0]["success8_rate"] = 1.0
    (folder / "summary.json").write_text(json.dumps(document))


def curves_swapped(folder: Path) -> None:
    with Image.open(folder / "curves.png") as picture:
        picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(folder / "curves.png")


def attack_renamed(folder: Path) -> None:
    rewrite(
        folder, lambda rows: [r | {"attack": "apgd", "family": "apgd"} if r["attack"] == "asma" else r for r in rows]
    )
    for kind in ("adversarial", "predictions"):
        (folder / kind / "asma").rename(folder / kind / "apgd")
    publish_again(folder)


EARLY = {"steps": 3, "forwards": 5, "backwards": 3, "passes": 8, "kept_step": 1}
stopped_early = partial(rows_changed, lambda row: EARLY)


def is_failure(row: Row) -> bool:
    """Whether the row is a failure of the attack that also has a success."""
    return row["attack"] == "pgd@8" and not row["success8"]


def other(value: Any) -> Any:
    """A slightly different value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [value[0] + 1, value[1] - 1, *value[2:]]
    return value + (1 if isinstance(value, int) else 1e-3) if isinstance(value, int | float) else f"{value}x"
