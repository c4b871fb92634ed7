"""What runs have logged to Weights & Biases, told from their folders alone."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from omegaconf import OmegaConf

from benchmark.errors import InputError
from benchmark.report.figures.saved_images import montage_paths
from benchmark.results.summary import read_summary
from benchmark.runs import tables
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.points import attack_logs
from benchmark.tracking.wandb.dashboard_keys import Logged, LoggedAttack

_NO_METRICS = {"step", "epoch"}  # of metrics.csv


def runs_below(folder: Path) -> list[Path]:
    """The runs below a folder that have a log for Weights & Biases, whole or going on."""
    found = []
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "config.yaml" in files:
            found += [Path(path)] if "wandb" in folders else []
            folders.clear()
    return found


def project_of(folder: Path) -> str | None:
    """The project a run logs to, if to any. Raises InputError if its configuration cannot be read."""
    path = folder / "config.yaml"
    try:
        project = OmegaConf.select(OmegaConf.load(path), "loggers.wandb.project")
    except Exception as error:  # any bytes may come here, and YAML and OmegaConf raise many things at them
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); restore it") from error
    return project if isinstance(project, str) and (folder / "wandb").is_dir() else None


def logged_by(folder: Path) -> Logged:
    """What a run has logged so far. Raises InputError if a file of it cannot be read."""
    return Logged(_training(folder), _attacks(folder))


def _training(folder: Path) -> frozenset[str]:
    """Lightning's metrics: each logger gets the same, so that metrics.csv has their names."""
    try:
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            return frozenset(next(csv.reader(file), [])) - _NO_METRICS
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / 'metrics.csv'}: cannot be read ({error}); restore what the run wrote") from error


def _attacks(folder: Path) -> dict[str, LoggedAttack]:
    """Of a finished attack epoch; one that is going on has logged nothing."""
    if not (folder / "summary.json").is_file():
        return {}
    rows, summaries = tables.read(folder), read_summary(folder / "summary.json")
    traces = tables.TRACES.read(folder) if tables.TRACES.exists(folder) else tables.TRACES.schema.empty_table()
    drawn = {attack: path for attack, path in montage_paths(folder, rows.to_pylist()).items() if path.is_file()}
    epoch = FinishedEpoch(rows, _examples(traces), summaries, montages=drawn)
    facts: dict[str, dict[str, Any]] = {summary["attack"]: summary for summary in summaries}
    return {log.attack: LoggedAttack.of(facts[log.attack], log) for log in attack_logs(epoch) if log.attack in facts}


def _examples(traces: pa.Table) -> pa.Table:
    """A row with a value per attack and measurement: which curves there are without reading them all."""
    chosen: set[int] = set()
    attacks = traces["attack"].to_pylist()
    measured = [name for name in traces.column_names if name not in tables.TRACES.key]
    masks: Sequence[list[bool]] = [pc.is_finite(traces[name]).fill_null(False).to_pylist() for name in measured]
    for mask in masks:
        first: dict[str, int] = {}
        for index, (attack, known) in enumerate(zip(attacks, mask, strict=True)):
            if known:
                first.setdefault(attack, index)
        chosen |= set(first.values())
    return traces.take(pa.array(sorted(chosen), pa.int64()))
