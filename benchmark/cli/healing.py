"""What a run that goes on finds damaged: it is named, put where nothing reads it, and made again."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.cli.parsers import progress_bar, say
from benchmark.errors import InputError
from benchmark.evaluation import kept_rows
from benchmark.evaluation.row_writer import RunInfo
from benchmark.runs import repair
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS
from benchmark.victims.checkpoint_io import read_checkpoint

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


def heal_environment(run: RunFolder, make: Callable[[], Mapping[str, Any]]) -> None:
    """Write environment.json anew if it is damaged, and say so: what `make` returns, and the hash of config.yaml."""
    try:
        run.check_environment()
    except InputError as error:
        _make_again(run, run.environment_file, error)
        run.write_environment({**make(), "config_sha256": run.config_sha256()})


def heal_config(run: RunFolder, config: Mapping[str, Any]) -> None:
    """Write this configuration into config.yaml, if that is damaged, and say so."""
    try:
        run.check_config(run.environment())
    except InputError as error:
        _make_again(run, run.config_file, error)
        run.update_environment(config_sha256=run.write_config(config))


def heal_splits(run: RunFolder, splits: Mapping[str, Sequence[str]]) -> None:
    """Write these splits, which are those of the run's data, if the file has no or other ones, and say so."""
    try:
        if run.splits() != {name: list(ids) for name, ids in splits.items()}:
            raise InputError(f"{run.splits_file}: is not what the data say; restore it")
    except InputError as error:
        _make_again(run, run.splits_file, error)
        run.write_splits(splits)


def usable_checkpoint(run: RunFolder) -> str:
    """The name of the checkpoint that an unfinished training goes on from, empty for a training from its start.

    That is the last one. If it is damaged, training goes on from the best one, which an earlier epoch has written. If
    the best one is damaged, training begins again, because nothing else holds the weights of its epoch.
    """
    usable = {}
    for file in (run.best_checkpoint, run.last_checkpoint):
        try:
            read_checkpoint(file)
            usable[file.name] = True
        except InputError as error:
            if os.path.lexists(file):
                reason = str(error).rpartition("; ")[0]
                warn([f"{reason}; it is now {run.set_aside(file)}, and training goes on without it"])
    best, last = run.best_checkpoint.name, run.last_checkpoint.name
    return "" if best not in usable else last if last in usable else best


def _make_again(run: RunFolder, file: Path, error: InputError) -> None:
    aside = f" (what was left of it is {run.set_aside(file)})" if os.path.lexists(file) else ""
    warn([f"{str(error).rpartition('; ')[0]}; it is made again{aside}"])


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
