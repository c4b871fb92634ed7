"""Reads the `.wandb` file an offline run leaves: LevelDB log blocks of protobuf records, behind a 7-byte header."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

FILE_HEADER, RECORD_HEADER, BLOCK = 7, 7, 32 * 1024
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(folder: Path) -> list[Record]:
    """All records of the one offline run under `folder`/wandb."""
    (path,) = (folder / "wandb").glob("offline-run-*/run-*.wandb")
    parsed = []
    for payload in _payloads(path.read_bytes()):
        record = Record()
        record.ParseFromString(payload)
        parsed.append(record)
    return parsed


def history(found: list[Record]) -> list[dict[str, Any]]:
    """The logged rows, key -> value, without the client's own keys."""
    rows = []
    for record in found:
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            rows.append({key: value for key, value in items.items() if not key.startswith("_")})
    return rows


def updates(found: list[Record], kind: str) -> dict[str, Any]:
    """The last value of every key of "config" (in the run record too) or "summary"."""
    values: dict[str, Any] = {}
    for record in found:
        record_type = record.WhichOneof("record_type")
        if record_type == "run" and kind == "config":
            changes = record.run.config.update
        elif record_type == kind:
            changes = getattr(record, kind).update
        else:
            continue
        for item in changes:
            values[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return values


def _payloads(data: bytes) -> Iterator[bytes]:
    assert data[:4] == b":W&B", data[:FILE_HEADER]
    position, pending = FILE_HEADER, b""
    while position + RECORD_HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < RECORD_HEADER:  # the tail of a block too short for a header is padding
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        body = data[position + RECORD_HEADER : position + RECORD_HEADER + length]
        position += RECORD_HEADER + length
        if kind == 0:  # a writer that stops in mid-block leaves zeros
            continue
        pending = body if kind in (FULL, FIRST) else pending + body
        if kind in (FULL, LAST):
            yield pending
