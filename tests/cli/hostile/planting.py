"""How a stranger changes a copy of a finished run to attack who opens it.

Each function changes the folder `run`. What stands in a file is as a stranger would write it who knows this program:
hashes of the configuration are made to fit.
"""

import hashlib
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from benchmark.runs.folder import RunFolder
from benchmark.runs.table_digest import digest
from tests.pickled_call import PickledCall

SECRET = "PLANTED_SECRET"  # the name of an environment variable
ESCAPES = "x\x1b[2J\x1b]0;owned\x07\r\n\u202egnp\u2066\x9b1m"

Plant = Callable[[Path], None]


def edit_config(run: Path, change: Callable[[dict[str, Any]], None], text: Callable[[str], str] = str) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    write_config(run, text(yaml.safe_dump(config, sort_keys=False)))


def write_config(run: Path, text: str) -> None:
    (run / "config.yaml").write_text(text)
    edit_environment(run, config_sha256=hashlib.sha256(text.encode()).hexdigest())


def edit_environment(run: Path, **entries: Any) -> None:
    RunFolder(run).update_environment(**entries)


def configured(place: str, value: Any) -> Plant:
    """Sets a dotted key of config.yaml."""

    def change(config: dict[str, Any]) -> None:
        *parents, last = place.split(".")
        node = config
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value

    return lambda run: edit_config(run, change)


def commanded(*texts: str) -> Plant:
    """Adds to the recorded command line."""

    def change(run: Path) -> None:
        saved = json.loads((run / "environment.json").read_text())["overrides"]
        edit_environment(run, overrides=[*saved, *texts])

    return change


def edit_table(run: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a table, with a digest that fits."""
    table = change(pq.read_table(run / f"{name}.parquet").replace_schema_metadata(None))
    pq.write_table(table.replace_schema_metadata({b"benchmark.sha256": digest(table)}), run / f"{name}.parquet")


def column(name: str, column: str, value: Any) -> Plant:
    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(column).type
        return table.set_column(table.column_names.index(column), column, pa.array([value] * len(table), kind))

    return lambda run: edit_table(run, name, change)


def written(name: str, content: bytes | str) -> Plant:
    def change(run: Path) -> None:
        path = run / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def sparse(name: str, start: bytes, size: int) -> Plant:
    def change(run: Path) -> None:
        written(name, start)(run)
        with (run / name).open("r+b") as file:
            file.truncate(size)

    return change


def linked(name: str, target: str) -> Plant:
    def change(run: Path) -> None:
        path = run / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return change


def piped(name: str) -> Plant:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)

    return change


def saved(name: str, content: Any, **options: Any) -> Plant:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        torch.save(content, run / name, **options)

    return change


def bomb(name: str) -> Plant:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        with zipfile.ZipFile(run / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
            archive.writestr("archive/data/0", bytes(2 * 10**8))

    return change


CALL = PickledCall(os.system, "touch owned")
VARIABLE = f"${{oc.env:{SECRET}}}"
MODULE = "import pathlib\npathlib.Path('owned').touch()\n"
