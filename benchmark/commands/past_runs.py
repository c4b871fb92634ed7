"""Finished runs opened again: from a folder to its rows, and the data, targets and judge its config.yaml names."""

import json
import pkgutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from benchmark import records
from benchmark.commands.build import instantiate
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.transfer.source import Source

# The sections that are made again, and where what they name has to come from: a folder must not choose code to run.
_CODE = {"data": "benchmark.data.", "target": "benchmark.targets.", "judge": "benchmark.criterion."}


def open_sources(folders: Sequence[Path]) -> "list[Source]":
    """Each run, under a name of its own; not yet checked against its data.

    Raises:
        InputError: no such run, or one whose files cannot be read.
    """
    from benchmark.transfer.source import Source

    if again := [path for path, times in Counter(folder.resolve() for folder in folders).items() if times > 1]:
        raise InputError(f"{again[0]}: is given more than once; give each run once")
    rows = [_rows(folder) for folder in folders]
    named = Counter(own[0]["run"] for own in rows)
    sources = []
    for folder, own in zip(folders, rows, strict=True):
        config, environment = _config(folder), _json(folder, "environment.json")
        made = {section: _make(folder, config, section) for section in _CODE}
        given = config["victim"].get("ckpt")
        sources.append(
            Source(
                folder=folder,
                name=own[0]["run"] if named[own[0]["run"]] == 1 else str(folder),
                rows=own,
                splits=_json(folder, "splits.json"),
                fingerprint=str(environment.get("data_fingerprint")),
                weights_sha256=environment.get("weights_sha256"),
                checkpoints=[folder / "checkpoints" / "best.ckpt", *([] if given is None else [Path(given)])],
                batch=config["engine"]["slots"],
                deployment={key: config["victim"][key] for key in _deployed() if key in config["victim"]},
                **made,
            )
        )
    return sources


def _deployed() -> list[str]:
    from benchmark.deployment import Deployment

    return [field.name for field in fields(Deployment)]


def _rows(folder: Path) -> list[dict[str, Any]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a run")
    rows: list[dict[str, Any]] = records.read(folder).to_pylist()
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
    for section in (*_CODE, "victim", "engine"):
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


def _make(folder: Path, config: Mapping[str, Any], section: str) -> Any:
    path, node = folder / "config.yaml", config[section]
    targets = _targets(node)
    # First the name, before anything is imported; then what it leads to, for a name may go through other modules.
    named = len(targets) == 1 and str(targets[0]).startswith(_CODE[section])
    if not named or not _module(_callable(path, section, targets[0])).startswith(_CODE[section]):
        raise InputError(
            f"{path}: {section}._target_={', '.join(map(str, targets))}: only code of {_CODE[section].rstrip('.')} is "
            "run from a run's folder; restore it"
        )
    try:
        made = instantiate(OmegaConf.create(node), section)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    kind = _kinds()[section]
    if not isinstance(made, kind):
        raise InputError(
            f"{path}: {section}._target_={targets[0]}: makes a {type(made).__name__}, no {kind.__name__}; restore it"
        )
    return made


def _callable(path: Path, section: str, name: str) -> Any:
    try:
        found = pkgutil.resolve_name(name)  # hydra's own would log what it does not find
    except (ImportError, ValueError, AttributeError):
        found = None
    if not callable(found):
        raise InputError(f"{path}: {section}._target_={name}: is no class or function there is; restore it")
    return found


def _module(found: Any) -> str:
    return f"{getattr(found, '__module__', None)}."


def _kinds() -> dict[str, type]:
    from benchmark.criterion import Criterion
    from benchmark.data.datamodule import SegmentationData
    from benchmark.targets import Target

    return {"data": SegmentationData, "target": Target, "judge": Criterion}


def _targets(node: Any) -> list[Any]:
    """All `_target_` of a section, at any depth."""
    if isinstance(node, dict):
        own = [node["_target_"]] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    return [target for value in node for target in _targets(value)] if isinstance(node, list) else []
