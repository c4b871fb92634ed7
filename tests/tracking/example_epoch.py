"""Rows, traces and pictures of two small attacks, one of which reports a multiplier and has traces."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from benchmark.report.figures.montage import MontageItem
from benchmark.runs.row_schema import SCHEMA
from benchmark.runs.tables import RECORDS, TRACES
from tests.example_rows import LISTS

IMAGES = 4


def _row(attack: str, index: int) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in SCHEMA:
        row[field.name] = ({"string": "", "double": 0.5, "int64": 4, "bool": False} | LISTS)[str(field.type)]
    flags = {"success": True, "success8": index > 0}
    named = {
        "attack": attack,
        "id": f"image {index}",
        "group": None,
        "classes": 2,
        "background": 0,
        "class_names": None,
        "height": 8,
        "width": 8,
    }
    return (
        row
        | flags
        | named
        | {"psnr": float("inf") if index == 0 else 30.0 + index, "steps": index, "jpeg_iou_target": index / 8}
    )


def rows() -> pa.Table:
    rows = [_row(attack, index) for attack in ("asma", "noise") for index in range(IMAGES)]
    return pa.Table.from_pylist(rows, schema=RECORDS.schema_with(["jpeg_iou_target"]))


def traces() -> pa.Table:
    points = [
        {"attack": "asma", "id": f"image {index}", "step": step, "iou": step / 10, "loss": None}
        | dict.fromkeys(("pixel_acc", "l2", "linf", "multiplier"), 0.25)
        for index in range(IMAGES)
        for step in range(index + 1)
    ]
    return pa.Table.from_pylist(points, schema=TRACES.schema_with(["multiplier"]))


def media(row: Mapping[str, Any]) -> MontageItem:
    picture, labels = np.full((8, 8, 3), 40 + row["steps"], dtype=np.uint8), np.eye(8, dtype=np.int64)
    maps = {"truth": labels, "target": 1 - labels, "clean_pred": labels, "adv_pred": 1 - labels}
    return MontageItem.of_row(row, image=picture, adv=picture + 9, delta=np.zeros((8, 8, 3)), **maps)
