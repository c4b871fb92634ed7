"""Finished runs opened again: from a folder to its rows, and the data, targets and judge its config.yaml names."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import OmegaConf

from benchmark.errors import InputError
from benchmark.past_runs.allowed_code import make_past
from benchmark.runs import tables

if TYPE_CHECKING:
    from benchmark.past_runs.past_run import PastRun

_MADE = ("data", "target", "judge")  # the sections that are made again


class OpenedRun(NamedTuple):
    """A run's folder opened again.

    Attributes:
        source: what was attacked and what came of it; not yet checked against its data.
        config: config.yaml, resolved and plain.
        environment: environment.json.
    """

    past_run: "PastRun"
    config: dict[str, Any]
    environment: dict[str, Any]


def open_past_runs(folders: Sequence[Path]) -> "list[PastRun]":
    """Each run, under a name of its own; not yet checked against its data.

    Raises:
        InputError: no such run, or one whose files cannot be read.
    """
    if again := [path for path, times in Counter(folder.resolve() for folder in folders).items() if times > 1]:
        raise InputError(f"{again[0]}: is given more than once; give each run once")
    past_runs = [open_run(folder).past_run for folder in folders]
    named = Counter(past_run.name for past_run in past_runs)
    return [s if named[s.name] == 1 else replace(s, name=str(s.folder)) for s in past_runs]


def open_run(folder: Path, data_root: str | None = None) -> OpenedRun:
    """One run, finished or not; `data_root` says where its data are now, in place of its own data.root.

    Raises:
        InputError: no such run, or one whose files cannot be read.
    """
    from benchmark.past_runs.past_run import PastRun

    rows, config, environment = _rows(folder), _config(folder), _json(folder, "environment.json")
    if data_root is not None:
        if "root" not in config["data"]:
            raise InputError(f"--data-root {data_root}: the data of {folder} have no root; leave it out")
        config["data"]["root"] = data_root
    path, given = folder / "config.yaml", config["victim"].get("ckpt")
    past_run = PastRun(
        folder=folder,
        name=str(rows[0]["run"]),
        rows=rows,
        splits=_json(folder, "splits.json"),
        fingerprint=str(environment.get("data_fingerprint")),
        weights_sha256=environment.get("weights_sha256"),
        checkpoints=[folder / "checkpoints" / "best.ckpt", *([] if given is None else [Path(given)])],
        batch=config["engine"]["slots"],
        deployment={key: config["victim"][key] for key in _deployed() if key in config["victim"]},
        **{section: make_past(path, OmegaConf.create(config[section]), section) for section in _MADE},
    )
    return OpenedRun(past_run, config, environment)


def _deployed() -> list[str]:
    from benchmark.victims.deployment import Deployment

    return [field.name for field in fields(Deployment)]


def _rows(folder: Path) -> list[dict[str, Any]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a run")
    rows: list[dict[str, Any]] = tables.read(folder).to_pylist()
    if not rows:
        raise InputError(f"{folder}: has no rows; give a run that has attacked images")
    return rows


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.yaml"
    try:
        config = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
        reason = _fault(config)
    except Exception as error:  # any bytes may come here, and YAML and OmegaConf raise many things at them
        config, reason = {}, " ".join(str(error).split())
    if reason or not isinstance(config, dict):
        raise InputError(f"{path}: is not the configuration of a run ({reason}); restore it")
    return {str(section): node for section, node in config.items()}


def _fault(config: Any) -> str | None:
    """What is missing or wrong in the sections that are read here."""
    for section in (*_MADE, "victim", "engine"):
        if not isinstance(config, dict) or not isinstance(config.get(section), dict):
            return f"it has no section {section}"
    slots, ckpt = config["engine"].get("slots"), config["victim"].get("ckpt")
    if type(slots) is not int or slots < 1:
        return f"engine.slots={slots!r} is not a whole number from 1"
    if ckpt is not None and not isinstance(ckpt, str):
        return f"victim.ckpt={ckpt!r} is neither null nor a path"
    return None


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / name}: cannot be read ({error}); restore what the run wrote") from error
    if not isinstance(found, dict):
        raise InputError(f"{folder / name}: holds no names and values; restore what the run wrote")
    return found
