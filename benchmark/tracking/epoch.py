"""A finished attack epoch as loggers take it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from benchmark.tracking.wandb.media import Media


@dataclass(frozen=True)
class FinishedEpoch:
    """All there is to tell; rows and summary are on disk already.

    Attributes:
        rows, traces: as `records.RECORDS` and `records.TRACES` read them, of any number of attacks.
        summaries: from `report.aggregate.summarise`.
        media: gives a row's pictures.
        montages: attack -> the file drawn of it, if one was.
        files: records.parquet, traces.parquet, summary.json, ...
        checkpoint: the victim's weights.
    """

    rows: pa.Table
    traces: pa.Table
    summaries: Sequence[Mapping[str, Any]]
    media: Media | None = None
    montages: Mapping[str, Path] = field(default_factory=dict)
    files: Sequence[Path] = ()
    checkpoint: Path | None = None


@runtime_checkable
class RunTracker(Protocol):
    """What a logger has to offer, beside what Lightning asks of it, to be told of a run's results and of its end.

    A logger without these gets Lightning's metrics only. What they raise ends in one warning.
    """

    def log_attack_epoch(self, epoch: FinishedEpoch) -> None:
        """Called once, on the first process; after a resume once more, with all that the run has by then."""

    def finish(self, exit_code: int = 0) -> None:
        """Called when the run has ended, well (0) or not; there may be another run in this process."""
