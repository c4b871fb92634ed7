"""Opening a finished run again: from its folder to its rows, data, targets and judge."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from benchmark.config.recorded import check_recorded
from benchmark.data.datamodule import SegmentationData
from benchmark.errors import InputError
from benchmark.past_runs.allowed_code import make_past
from benchmark.past_runs.past_run import PastRun
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder

_MADE = ("data", "target", "judge")  # the sections that are instantiated here


def open_past_runs(folders: Sequence[Path]) -> list[PastRun]:
    """Open several runs, each under a unique name.

    Raises:
        InputError: a folder is given twice, is no run, or holds files that cannot be read.
    """
    if again := [path for path, times in Counter(folder.resolve() for folder in folders).items() if times > 1]:
        raise InputError(f"{again[0]}: is given more than once; give each run once")
    past_runs = [open_run(folder) for folder in folders]
    times = Counter(past_run.name for past_run in past_runs)
    return [run if times[run.name] == 1 else replace(run, name=str(run.folder)) for run in past_runs]


def open_run(folder: Path, data_root: str | None = None) -> PastRun:
    """Open one run, finished or not, without comparing it with its data.

    Args:
        folder: of the run.
        data_root: where its data lie now; None: where its configuration says.

    Raises:
        InputError: no such run, or one whose files cannot be read.
    """
    run = RunFolder(folder)
    if not run.path.is_dir():
        raise InputError(f"{run.path}: no such folder; give the folder of a run")
    rows = tables.read(run.path, altered=True).to_pylist()
    if not rows:
        raise InputError(f"{run.path}: has no rows; give a run that has attacked images")
    config = run.config()
    if reason := _wrong(config):
        raise InputError(f"{run.config_file}: is not the configuration of a run ({reason}); restore it")
    try:
        check_recorded(config)
    except InputError as error:
        raise InputError(f"{run.config_file}: {error}; restore what the run wrote") from error
    if data_root is not None:
        if "root" not in config["data"]:
            raise InputError(f"--data-root {data_root}: the data of {folder} have no root; leave it out")
        config["data"]["root"] = data_root
    made = {section: make_past(run.config_file, OmegaConf.create(config[section]), section) for section in _MADE}
    _set_classes(made["data"], rows[0], run)
    try:
        made["judge"] = made["judge"].for_names(made["data"].scored_names)
    except InputError as error:
        raise InputError(f"{run.config_file}: {error}; restore what the run wrote") from error
    return PastRun(
        run=run,
        name=str(rows[0]["run"]),
        rows=rows,
        config=config,
        environment=run.environment(),
        splits=run.splits(),
        moved=data_root is not None,
        **made,
    )


def _set_classes(data: SegmentationData, row: Mapping[str, Any], run: RunFolder) -> None:
    """Of data whose victim has said which classes there are: those of the rows."""
    if data.classes_open:
        classes, overlapping = row["classes"], row["overlapping"]
        if not isinstance(classes, int) or not isinstance(overlapping, bool):
            raise InputError(f"{run.path}: its rows do not say which classes there are; restore what the run wrote")
        try:
            data.set_classes(classes, overlapping=overlapping)
        except InputError as error:
            raise InputError(f"{run.path}: the classes of its rows: {error}; restore what the run wrote") from error


def _wrong(config: dict[str, Any]) -> str | None:
    """What is missing or wrong in the sections that are read here."""
    for section in (*_MADE, "victim", "engine"):
        if not isinstance(config.get(section), dict):
            return f"it has no section {section}"
    slots, ckpt = config["engine"].get("slots"), config["victim"].get("ckpt")
    if type(slots) is not int or slots < 1:
        return f"engine.slots={slots!r} is not a whole number from 1"
    if ckpt is not None and not isinstance(ckpt, str):
        return f"victim.ckpt={ckpt!r} is neither null nor a path"
    return None
