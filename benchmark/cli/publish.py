"""After an attack epoch: merge the rows, then summarise, draw and log them."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.atomic_files import save_text
from benchmark.cli.context import Context
from benchmark.report.figures.all_figures import figures
from benchmark.report.figures.figure_file import save_figures
from benchmark.report.figures.montage import montage
from benchmark.report.figures.saved_images import montage_paths, saved_pictures
from benchmark.report.page.page import write_page
from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.console import print_summary
from benchmark.report.tables.table import markdown
from benchmark.results.loaded import read_results
from benchmark.results.summary import Summary, write_summary
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.wandb.media import Media

if TYPE_CHECKING:
    from benchmark.tracking.guarded_logger import GuardedLogger


def show(context: Context, loggers: "list[GuardedLogger]", checkpoint: Path | None) -> None:
    """Merge the rows and make everything that is computed from them; no drawing or logger can lose the rows."""
    if not context.processes.first:
        return
    folder = context.folder
    files = [tables.RECORDS.merge(folder.path), tables.TRACES.merge(folder.path)]
    rows, traces = tables.read(folder.path), tables.TRACES.read(folder.path)
    summary = write_summary(rows, folder)
    print_summary(summary)
    pictures = partial(saved_pictures, folder)
    made: dict[str, list[Path]] = {}
    montages: dict[str, Path] = {}
    with _warning_of_failure("comparison"):
        made["table"] = write_comparison(folder, summary)
    with _warning_of_failure("curves"):
        made["curves"] = draw_comparison(folder)
    with _warning_of_failure("montage"):
        montages = draw_montages(context, rows.to_pylist(), pictures)
        made["montage"] = list(montages.values())
    with _warning_of_failure("report"):
        made["report"] = [write_page(read_results([folder.path]), folder.report_file)]
    files = [
        *files,
        folder.summary_file,
        *(path for what in ("table", "curves", "report") for path in made.get(what, [])),
    ]
    epoch = FinishedEpoch(
        rows=rows,
        traces=traces,
        summaries=summary.attacks,
        media=pictures,
        montages=montages,
        files=files,
        checkpoint=checkpoint,
    )
    for logger in loggers:
        logger.log_attack_epoch(epoch)
    for what, paths in {"rows": files[:1], "summary": [folder.summary_file], **made}.items():
        for path in paths:
            print(f"{what:8} {path}")


@contextmanager
def _warning_of_failure(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        warnings.warn(f"no {what}: {type(error).__name__}: {error}", stacklevel=3)


def write_comparison(folder: RunFolder, summary: Summary) -> list[Path]:
    """The printed tables as comparison.md, if there are several attacks."""
    if len(summary.attacks) < 2:
        return []
    save_text(folder.comparison_file, markdown(comparison(*summary)))
    return [folder.comparison_file]


def draw_comparison(folder: RunFolder) -> list[Path]:
    """curves.png, if there are several attacks."""
    results = read_results([folder.path])
    (run,) = results.runs
    if len(run.summary.attacks) < 2:
        return []
    title = "{victim} on {data} ({split})".format(**run.rows[0])
    return [save_figures(folder.curves_file, figures(results), title)]


def draw_montages(context: Context, rows: list[Mapping[str, Any]], pictures: Media) -> dict[str, Path]:
    """Montages of the first images by id, by attack, where `montage_paths` says."""
    by_attack, drawn = tables.group_rows(rows, "attack"), {}
    for attack, path in montage_paths(context.folder, rows).items():
        attacked = sorted(by_attack[attack], key=lambda row: row["id"])
        items = [item for row in attacked[: context.run.montage] if (item := pictures(row)) is not None]
        if items:
            title = "{attack} against {victim} on {data} ({split})".format(**attacked[0])
            drawn[attack] = montage(path, items, title)
    return drawn
