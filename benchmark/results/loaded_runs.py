"""What a report is made of: runs, evaluations of transfer, and cards of results, each known by what it holds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmark.errors import InputError
from benchmark.results.result_card import Card, read_card
from benchmark.results.summary import Summary, make_summary
from benchmark.results.transfer_matrix import TRANSFER, summarise_transfer
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.row_values import wrong_value


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the folder of a run holds.

    Attributes:
        label: tells its attacks from the same attacks of other runs in the report.
        rows, traces: as `benchmark.runs.tables` reads them; `traces` is None if the run kept none.
        config, environment: config.yaml and environment.json; empty if the file is missing.
        finished: whether the rows of all processes have been merged.
    """

    folder: RunFolder
    label: str
    rows: Sequence[Mapping[str, Any]]
    traces: pa.Table | None
    summary: Summary
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    finished: bool

    @property
    def name(self) -> str:
        """The name that the run gave itself."""
        return str(self.rows[0]["run"])

    @property
    def check(self) -> object:
        """What the check of the victim has found, see `victim_doubts`; None: it was not checked."""
        return self.environment.get("victim_check")


@dataclass(frozen=True)
class Results:
    """Everything that one report shows; `transfers` are the tables of `summarise_transfer` of all evaluations."""

    runs: Sequence[Run]
    transfers: Sequence[Mapping[str, Any]]
    cards: Sequence[Card]


def read_results(paths: Sequence[Path]) -> Results:
    """Read the folders of runs, the folders of evaluations of transfer, and card files.

    Raises:
        InputError: a path is none of these, or is given twice, or a file cannot be read.
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
            transfers += summarise_transfer(TRANSFER.read(path))
        else:
            runs.append(read_run(RunFolder(path)))
    return Results(_labelled(runs), transfers, cards)


def read_run(folder: RunFolder) -> Run:
    """Read one run; its label is the name of its victim.

    Raises:
        InputError: the run has no rows, or a file cannot be read.
    """
    table = tables.read(folder.path)
    if not table.num_rows:
        raise InputError(f"{folder.path}: has no rows; give a run that has attacked images")
    rows = table.to_pylist()
    if wrong := wrong_value(rows):
        raise InputError(f"{folder.path}: {wrong}, which no run writes; restore what the run wrote")
    return Run(
        folder=folder,
        label=", ".join(dict.fromkeys(str(row["victim"]) for row in rows)),
        rows=rows,
        traces=tables.TRACES.read(folder.path) if tables.TRACES.exists(folder.path) else None,
        summary=make_summary(table),
        config=folder.config() if folder.config_file.exists() else {},
        environment=folder.environment() if folder.environment_file.exists() else {},
        finished=not tables.RECORDS.parts(folder.path),
    )


def _labelled(runs: Sequence[Run]) -> list[Run]:
    """The same runs; where two have the same attack and victim, their labels get the name or the path of the run."""
    attacks = Counter((run.label, one["attack"]) for run in runs for one in run.summary.attacks)
    names = Counter(run.name for run in runs)
    labelled = []
    for run in runs:
        unique = all(attacks[run.label, one["attack"]] == 1 for one in run.summary.attacks)
        name = run.name if names[run.name] == 1 else str(run.folder.path)
        labelled.append(run if unique else replace(run, label=f"{run.label} ({name})"))
    return labelled
