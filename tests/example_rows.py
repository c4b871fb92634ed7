"""Rows for the tests of this folder: constant, so that a test names only what it is about."""

from typing import Any

import pyarrow as pa

from benchmark.runs.row_schema import COLD_COLUMNS, SCHEMA
from benchmark.runs.tables import RECORDS

LISTS = {"list<item: int64>": [10, 2, 1, 3], "list<item: double>": [0.5, 0.5], "list<item: string>": ["skin", "lesion"]}
"""Values of columns that hold lists, by type: of two classes."""


def row(image: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in SCHEMA:
        if pa.types.is_string(field.type):
            values[field.name] = field.name
        elif pa.types.is_boolean(field.type):
            values[field.name] = field.name in ("success", "success8")
        elif pa.types.is_integer(field.type):
            values[field.name] = 4
        elif pa.types.is_floating(field.type):
            values[field.name] = 0.5
        else:
            values[field.name] = LISTS[str(field.type)]
    named = {
        "attack": "asma",
        "family": changes.get("attack", "asma"),
        "norm": "2",
        "eps": None,
        "equal_norm": None,
        **dict.fromkeys(("start_from", "start_sha256", "point_sha256", "passes_saved", *COLD_COLUMNS)),
        "id": image,
        "group": "",
        "classes": 2,
        "background": 0,
        "class_names": '["skin", "lesion"]',
        "target_class_pixels": [12, 4],
        "target_draw": 1,
        "target_draws": 1,
        "judge": "iou to target >= 0.95",
    }
    # A file's norms are those of the float result, if a test says nothing else.
    files = {f"adv8_{name}": changes[name] for name in ("l1", "l2", "linf") if name in changes}
    return values | named | files | changes


def table(*rows: dict[str, Any]) -> pa.Table:
    names = {name for one in rows for name in one}
    return pa.Table.from_pylist(list(rows), schema=RECORDS.schema_with(names))
