"""Hostile files of a run besides its configuration, by name."""

import json
import pickle

import pyarrow as pa
import pyarrow.parquet as pq

from tests.cli.hostile.planting import (
    CALL,
    ESCAPES,
    MODULE,
    VARIABLE,
    Plant,
    bomb,
    column,
    edit_table,
    linked,
    piped,
    saved,
    sparse,
    written,
)

FILES: dict[str, Plant] = {
    # splits, summary, metrics
    "splits: very many ids": lambda run: written("splits.json", json.dumps({"test": ["a"] * 10**6 * 15}))(run),
    "splits: surrogates": written(
        "splits.json", '{"train": ["\\ud800"], "val": ["\\u0000"], "test": ["../../x\\u001b[2J"]}'
    ),
    "splits: other kinds": written("splits.json", '{"test": {"a": 1}}'),
    "summary: deep": written("summary.json", '{"a":' * 10**5),
    "summary: not numbers": written(
        "summary.json", '{"attacks": [{"attack": "pgd", "l2": NaN, "success8_rate": 1e999}]}'
    ),
    "summary: names that are paths": written("summary.json", '{"attacks": [{"attack": "../../../owned"}]}'),
    "metrics: without end": sparse("metrics.csv", b"step,", 10**10),
    "metrics: a terminal's words": lambda run: written("metrics.csv", f"step,epoch,val/iou{ESCAPES}\n1,1,1\n")(run),
    "metrics: a pipe": piped("metrics.csv"),
    # rows and traces
    "rows: ids that are paths": column("records", "id", "../../../owned"),
    "rows: attacks that are paths": column("records", "attack", "../../../owned"),
    "rows: a terminal's words": lambda run: [
        column("records", name, ESCAPES)(run) for name in ("id", "victim", "data", "judge", "run")
    ],
    "rows: markup": lambda run: [
        column("records", name, "</script><script>alert(1)</script><img src=//x onerror=alert(1)>")(run)
        for name in ("id", "victim", "run", "group")
    ],
    "rows: nothing": lambda run: edit_table(
        run,
        "records",
        lambda table: pa.table(
            [
                table[n] if n in ("id", "attack") else pa.nulls(len(table), table.schema.field(n).type)
                for n in table.column_names
            ],
            table.column_names,
        ),
    ),
    "rows: very large sizes": lambda run: [
        column("records", name, 2**62)(run) for name in ("height", "width", "classes")
    ],
    "rows: negative counts": lambda run: [
        column("records", n, -1)(run) for n in ("passes", "steps", "classes", "valid_pixels")
    ],
    "rows: no numbers": lambda run: [
        column("records", n, float("nan"))(run) for n in ("l2", "seconds", "adv8_iou_target")
    ],
    "rows: infinite": lambda run: [
        column("records", n, float("inf"))(run) for n in ("l2", "seconds", "adv8_iou_target")
    ],
    "rows: very long texts": column("records", "victim", "x" * 10**6),
    "rows: very many": lambda run: pq.write_table(
        pa.table({"id": pa.nulls(10**7, pa.string())}), run / "records.parquet", row_group_size=10**7
    ),
    "rows: nested": lambda run: pq.write_table(pa.table({"id": [[["a"]]]}), run / "records.parquet"),
    "rows: a link": linked("records.parquet", "/etc/passwd"),
    "rows: a pipe": piped("records.parquet"),
    "rows: without end": sparse("records.parquet", b"PAR1", 10**12),
    "traces: columns of a terminal": lambda run: edit_table(
        run, "traces", lambda table: table.append_column(ESCAPES, pa.array([1.0] * len(table)))
    ),
    "traces: very many columns": lambda run: edit_table(
        run,
        "traces",
        lambda t: pa.table([*t.columns, *[t["l2"]] * 5000], [*t.column_names, *(f"c{i}" for i in range(5000))]),
    ),
    "traces: a pipe": piped("traces.parquet"),
    # checkpoints
    "checkpoint: a call": saved("checkpoints/best.ckpt", CALL),
    "checkpoint: a call among weights": saved(
        "checkpoints/best.ckpt", {"state_dict": {"a": CALL}, "hyper_parameters": {"architecture": "unet"}}
    ),
    "checkpoint: a call of before archives": saved("checkpoints/best.ckpt", CALL, _use_new_zipfile_serialization=False),
    "checkpoint: a pickle": written("checkpoints/best.ckpt", pickle.dumps(CALL, 5)),
    "checkpoint: inflates": bomb("checkpoints/best.ckpt"),
    "checkpoint: without end": sparse("checkpoints/best.ckpt", b"PK\3\4", 10**12),
    "checkpoint: a pipe": piped("checkpoints/best.ckpt"),
    "checkpoint: a link": linked("checkpoints/best.ckpt", "/etc/passwd"),
    "checkpoint: a network of a hub": saved(
        "checkpoints/best.ckpt",
        {"state_dict": {}, "hyper_parameters": {"architecture": "unet", "encoder": "tu-hf-hub:a/b"}},
    ),
    "last checkpoint: a call": saved("checkpoints/last.ckpt", CALL),
    # pictures
    "picture: a program": lambda run: [
        written(str(path.relative_to(run)), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(owned) (w) file\n")(run)
        for path in (run / "adversarial").rglob("*.png")
    ],
    "picture: links": lambda run: [
        linked(str(path.relative_to(run)), "/etc/passwd")(run) for path in (run / "pictures").rglob("*.png")
    ],
    "picture: a folder that is a link": lambda run: (
        (run.parent / "theirs").mkdir(),
        linked("pictures", "../theirs")(run),
    ),
    "lock: a link": linked("run.lock", "/etc/passwd"),
    "lock: a pipe": piped("run.lock"),
    "traces: a folder that is a link": lambda run: (
        (run.parent / "theirs").mkdir(),
        linked("traces", "../theirs")(run),
    ),
    "checkpoints: a link": lambda run: ((run.parent / "theirs").mkdir(), linked("checkpoints", "../theirs")(run)),
    "adversarial: a link": lambda run: ((run.parent / "theirs").mkdir(), linked("adversarial", "../theirs")(run)),
    "report: a link": linked("report.html", "../theirs.html"),
    "metrics: a link": linked("metrics.csv", "../theirs.csv"),
    # what other commands leave
    "transfer: rows of a stranger": lambda run: pq.write_table(
        pa.table({"attack": [ESCAPES], "id": [ESCAPES]}), run / "transfer.parquet"
    ),
    "wandb: a file of a stranger": lambda run: written(
        "wandb/settings", f"[default]\nbase_url = http://127.0.0.1:9/{VARIABLE}\n"
    )(run),
    "modules beside the run": lambda run: [
        written(f"{n}.py", MODULE)(run) for n in ("torch", "yaml", "sitecustomize", "evil")
    ],
}


def _safetensors(header: bytes, size: int | None = None) -> bytes:
    return (len(header) if size is None else size).to_bytes(8, "little") + header


FILES |= {
    # files that are handed over beside a run, which `victims import`, `convert` and `report` read
    "hub: a header without end": written("hub/model.safetensors", _safetensors(b"{}", 2**62)),
    "hub: a deep header": written("hub/model.safetensors", _safetensors(b'{"a":' * 10**5)),
    "hub: a description that is deep": lambda run: written(
        "hub/model.safetensors",
        _safetensors(json.dumps({"__metadata__": {"segmentation_attack_benchmark": "[" * 10**5}}).encode()),
    )(run),
    "hub: a network of a terminal": lambda run: written(
        "hub/model.safetensors",
        _safetensors(
            json.dumps({
                "__metadata__": {
                    "segmentation_attack_benchmark": json.dumps(
                        {"format": 1, "hyper_parameters": {"architecture": ESCAPES, "encoder": "tu-hf-hub:a/b"}}
                    )
                }
            }).encode()
        ),
    )(run),
    "hub: a pickle": written("hub/model.safetensors", pickle.dumps(CALL)),
    "hub: a pipe": lambda run: ((run / "hub").mkdir(), piped("hub/model.safetensors")(run)),
    "released: a call": saved("released.pt", CALL),
    "released: a call of before archives": saved("released.pt", CALL, _use_new_zipfile_serialization=False),
    "released: inflates": bomb("released.pt"),
    "released: a pickle with many places": written("released.pt", b"\x80\x02}r\xff\xff\xff\x7f."),
    "card: deep": written("card.json", "[" * 10**5),
    "card: a terminal's words": lambda run: written(
        "card.json", json.dumps({"kind": "segmentation-attack-benchmark/card", "version": ESCAPES})
    )(run),
    "card: a pipe": piped("card.json"),
}  # fmt: skip
