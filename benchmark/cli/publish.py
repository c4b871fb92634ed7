"""After an attack epoch: merge the rows, then summarise, draw and log them."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.atomic_files import save_text
from benchmark.cli.context import Context
from benchmark.cli.parsers import say
from benchmark.errors import machine_error
from benchmark.report.figures.run_curves import draw_curves
from benchmark.report.figures.run_montages import run_montages
from benchmark.report.figures.saved_images import saved_pictures
from benchmark.report.page.page import write_page
from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.console import print_summary
from benchmark.report.tables.table import markdown
from benchmark.results.loaded_runs import read_results
from benchmark.results.summary import write_summary
from benchmark.runs import tables
from benchmark.runs.victim_doubts import doubt_lines
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.guarded_logger import GuardedLogger
from benchmark.tracking.wandb.media import Media


def show(context: Context, loggers: list[GuardedLogger], checkpoint: Path | None) -> None:
    """Merge the rows and make everything that is computed from them; no drawing or logger can lose the rows."""
    if not context.processes.first:
        return
    folder, path = context.folder, context.folder.path
    files = {"rows": tables.RECORDS.merge(path), "traces": tables.TRACES.merge(path), "summary": folder.summary_file}
    rows, traces = tables.read(path), tables.TRACES.read(path)
    summary = write_summary(rows, folder)
    check = folder.environment().get("victim_check")
    print_summary(summary, check=check)
    pictures = partial(saved_pictures, folder)
    montages: dict[str, Path] = {}
    if len(summary.attacks) > 1:
        with _warning_of_failure("comparison"):
            save_text(folder.comparison_file, markdown(comparison(*summary, check)))
            files["table"] = folder.comparison_file
        with _warning_of_failure("curves"):
            files["curves"] = draw_curves(read_results([path]), folder.curves_file)
    with _warning_of_failure("montage"):
        montages = draw_montages(context, rows.to_pylist(), pictures)
    with _warning_of_failure("report"):
        files["report"] = write_page(read_results([path]), folder.report_file)
    epoch = FinishedEpoch(
        rows=rows,
        traces=traces,
        summaries=summary.attacks,
        media=pictures,
        montages=montages,
        files=list(files.values()),
        checkpoint=checkpoint,
        doubts=doubt_lines(check),
    )
    for logger in loggers:
        logger.log_attack_epoch(epoch)
    for what, file in [*files.items(), *(("montage", file) for file in montages.values())]:
        say(f"{what:8} {file}")


@contextmanager
def _warning_of_failure(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if failure := machine_error(error):
            raise failure from error
        warnings.warn(f"no {what}: {type(error).__name__}: {error}", stacklevel=3)


def draw_montages(context: Context, rows: list[Mapping[str, Any]], pictures: Media) -> dict[str, Path]:
    """Draw a montage of the first images by id for each attack of `montage_paths`; returns attack -> file."""
    count = context.run.montage
    return {one.attack: one.draw() for one in run_montages(context.folder, rows, count, pictures)}
