"""Rows for the tests of a run's tables, and the ids of those that a run has."""

from pathlib import Path
from typing import Any

from benchmark.runs import tables
from benchmark.runs.row_schema import SCHEMA


def row(image_id: str, attack: str = "asma", **values: Any) -> dict[str, Any]:
    return dict.fromkeys(SCHEMA.names) | {"id": image_id, "attack": attack} | values


def ids(run: Path) -> list[str]:
    return tables.read(run)["id"].to_pylist()
