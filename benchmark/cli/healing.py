"""What a run that goes on finds damaged: it is named, put where nothing reads it, and made again."""

from collections.abc import Iterable, Sequence

from benchmark.cli.parsers import progress_bar, say
from benchmark.evaluation import kept_rows
from benchmark.evaluation.row_writer import RunInfo
from benchmark.runs import repair
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS

_SHOWN = 20  # lines about what is damaged


def warn(lines: Iterable[str]) -> None:
    """Print a warning for each line, of many for the first ones."""
    listed = list(lines)
    for line in listed[:_SHOWN]:
        say(f"warning: {line}", error=True)
    if len(listed) > _SHOWN:
        say(f"warning: and {len(listed) - _SHOWN} more like these", error=True)


def set_aside_damaged(run: RunFolder) -> None:
    """Move files of rows and traces that cannot be read to where nothing reads them, and say so."""
    warn(repair.set_aside_damaged(run))


def drop_rows_not_done(run: RunFolder, info: RunInfo, ids: Sequence[str]) -> None:
    """Remove the rows of images that have to be attacked again, see `kept_rows`, and say so."""
    before = len(RECORDS.keys(run.path))
    with progress_bar("rows", before, "row") as bar:
        lines = list(kept_rows.drop_rows_not_done(run, info, set(ids), bar.update))
    warn(lines)
    if lost := before - len(RECORDS.keys(run.path)):
        say(f"{lost} of {before} rows are attacked again")
        # The attack epoch has not ended any more.
        run.write_environment({name: value for name, value in run.environment().items() if name != "shares"})
        run.summary_file.unlink(missing_ok=True)
