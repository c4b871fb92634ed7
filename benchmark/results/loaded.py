"""What a report is made of: runs, evaluations of transfer, and cards of results, each known by what it holds."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from omegaconf import OmegaConf

from benchmark.errors import InputError
from benchmark.results.result_card import Card, read_card
from benchmark.results.summary import Summary, make_summary
from benchmark.results.transfer_matrix import TRANSFER
from benchmark.runs import tables


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        folder: where it lies.
        label: tells an attack of it from the same attack of the others of a report.
        rows: as `records.read` returns them.
        traces: as `records.TRACES` does; None where there are none.
        summary: computed from the rows, not read.
        config, environment: what the run has said of itself; empty where it has not.
        finished: whether its rows are merged.
    """

    folder: Path
    label: str
    rows: Sequence[Mapping[str, Any]]
    traces: pa.Table | None
    summary: Summary
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    finished: bool

    @property
    def name(self) -> str:
        """What it calls itself."""
        return str(self.rows[0]["run"])


@dataclass(frozen=True)
class Transfer:
    """An evaluation of transfer: its folder and its tables, as `report.transfer.summarise_transfer` makes them."""

    folder: Path
    tables: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Results:
    """All that one report shows."""

    runs: Sequence[Run]
    transfers: Sequence[Transfer]
    cards: Sequence[Card]


def read_results(paths: Sequence[Path]) -> Results:
    """Read folders of runs and of transfer, and cards.

    Raises:
        InputError: a path that is none of these, or one that is given twice.
    """
    if again := [path for path, times in Counter(path.resolve() for path in paths).items() if times > 1]:
        raise InputError(f"{again[0]}: is given more than once; give each once")
    runs, transfers, cards = [], [], []
    for path in paths:
        if path.is_file():
            cards.append(read_card(path))
        elif not path.is_dir():
            raise InputError(f"{path}: no such folder or file; give a run's folder, one of transfer, or a card")
        elif TRANSFER.exists(path):
            transfers.append(_read_transfer(path))
        else:
            runs.append(read_run(path))
    return Results(_labelled(runs), transfers, cards)


def read_run(folder: Path) -> Run:
    """One run, labelled by its victim. Raises InputError if it has no rows."""
    table = tables.read(folder)
    if not table.num_rows:
        raise InputError(f"{folder}: has no rows; give a run that has attacked images")
    rows = table.to_pylist()
    traces = tables.TRACES.read(folder) if tables.TRACES.exists(folder) else None
    label = ", ".join(dict.fromkeys(str(row["victim"]) for row in rows))
    config, environment = _read_config(folder / "config.yaml"), _read_json(folder / "environment.json")
    finished = not tables.RECORDS.parts(folder)
    return Run(folder, label, rows, traces, make_summary(table), config, environment, finished)


def _read_transfer(folder: Path) -> Transfer:
    from benchmark.results.transfer_matrix import summarise_transfer

    return Transfer(folder, summarise_transfer(TRANSFER.read(folder)))


def _labelled(runs: Sequence[Run]) -> list[Run]:
    """With the run's own name where another run has the same attack on the same victim, or the path where names are."""
    attacks = Counter((run.label, one["attack"]) for run in runs for one in run.summary.attacks)
    names = Counter(run.name for run in runs)
    labelled = []
    for run in runs:
        alone = all(attacks[run.label, one["attack"]] == 1 for one in run.summary.attacks)
        own = run.name if names[run.name] == 1 else str(run.folder)
        labelled.append(run if alone else replace(run, label=f"{run.label} ({own})"))
    return labelled


def _read_config(path: Path) -> dict[str, Any]:
    """Plain values only: nothing in it is looked up or run."""
    if not path.exists():
        return {}
    try:
        found = OmegaConf.to_container(OmegaConf.load(path))
    except Exception as error:  # any bytes may come here, and YAML and OmegaConf raise many things at them
        raise InputError(f"{path}: cannot be read ({' '.join(str(error).split())}); restore it") from error
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); restore what the run wrote") from error
    return found if isinstance(found, dict) else {}
