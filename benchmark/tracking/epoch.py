"""What loggers get of a finished attack epoch, and what they have to offer for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from benchmark.tracking.wandb.media import Media


@dataclass(frozen=True, kw_only=True)
class FinishedEpoch:
    """The results of an attack epoch, whose rows and summary are already on disk.

    Attributes:
        rows, traces: of any number of attacks, as `benchmark.runs.tables.RECORDS` and `TRACES` read them.
        summaries: one for each attack, from `benchmark.results.summary.summarise`.
        media: returns the pictures of a row; None if the run has saved none.
        montages: attack -> the file of its montage, where one was drawn.
        doubts: about the victim, a sentence each.
        files, checkpoint: what is uploaded: tables, summary and so on, and the weights of a victim that was trained.
    """

    rows: pa.Table
    traces: pa.Table
    summaries: Sequence[Mapping[str, Any]]
    media: Media | None = None
    montages: Mapping[str, Path] = field(default_factory=dict)
    files: Sequence[Path] = ()
    checkpoint: Path | None = None
    doubts: Sequence[str] = ()


@runtime_checkable
class RunTracker(Protocol):
    """The methods of a Lightning logger that also logs the results of a run and closes with it.

    A logger without them gets only Lightning's metrics. If they raise, the run goes on after one warning.
    """

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        """Log a finished attack epoch. Called once, on the first process, and again after a resume, with all rows."""

    def finish(self, exit_code: int = 0) -> None:
        """Close the run, whose exit code this is; another run may follow in the same process."""
