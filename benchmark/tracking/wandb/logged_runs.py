"""What runs have logged to Weights & Biases, read from their folders without a network."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from benchmark.report.figures.saved_images import montage_paths
from benchmark.results.summary import read_summary
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.points import attack_logs
from benchmark.tracking.wandb.dashboard_keys import Logged, LoggedAttack

_NO_METRICS = {"step", "epoch"}  # the columns of metrics.csv that are axes


def runs_below(folder: Path) -> list[RunFolder]:
    """The runs below a folder that log to Weights & Biases, finished or not."""
    runs = []
    for path, folders, _ in os.walk(folder):
        folders.sort()
        run = RunFolder(path)
        if run.has_begun:
            runs += [run] if run.wandb.is_dir() else []
            folders.clear()
    return runs


def project_of(run: RunFolder) -> str | None:
    """The project that a run logs to, or None. Raises InputError if the configuration of the run cannot be read."""
    loggers = run.config().get("loggers")
    settings = loggers.get("wandb") if isinstance(loggers, dict) else None
    project = settings.get("project") if isinstance(settings, dict) else None
    return project if isinstance(project, str) and run.wandb.is_dir() else None


def logged_by(run: RunFolder) -> Logged:
    """What a run has logged so far. Raises InputError if one of its files cannot be read."""
    return Logged(_training(run), _attacks(run))


def _training(run: RunFolder) -> frozenset[str]:
    """The names of Lightning's metrics: every logger gets the same, so metrics.csv has them."""
    if not run.metrics_file.is_file():
        return frozenset()
    return frozenset(run.metric_names()) - _NO_METRICS


def _attacks(run: RunFolder) -> dict[str, LoggedAttack]:
    """The attacks of a finished attack epoch; an unfinished one has logged nothing."""
    if not run.summary_file.is_file():
        return {}
    rows, summaries = tables.read(run.path), read_summary(run)
    traces = tables.TRACES.read(run.path) if tables.TRACES.exists(run.path) else tables.TRACES.schema.empty_table()
    montages = {attack: path for attack, path in montage_paths(run, rows.to_pylist()).items() if path.is_file()}
    epoch = FinishedEpoch(rows=rows, traces=_examples(traces), summaries=summaries, montages=montages)
    facts: dict[str, dict[str, Any]] = {summary["attack"]: summary for summary in summaries}
    return {log.attack: LoggedAttack.of(facts[log.attack], log) for log in attack_logs(epoch) if log.attack in facts}


def _examples(traces: pa.Table) -> pa.Table:
    """A row with a value per attack and measurement: which curves there are without reading them all."""
    numbered = traces.append_column("index", pa.array(range(len(traces)), pa.int64()))
    chosen: set[int] = set()
    for name in set(traces.column_names) - set(tables.TRACES.key):
        known = numbered.filter(pc.is_finite(traces[name]))
        chosen |= set(known.group_by("attack").aggregate([("index", "min")])["index_min"].to_pylist())
    return traces.take(pa.array(sorted(chosen), pa.int64()))
