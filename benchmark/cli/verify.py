"""`verify`: whether a run's numbers can be made again from what it has saved."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parsers import Command, Parser
from benchmark.errors import InputError, Stopped

if TYPE_CHECKING:
    from benchmark.past_runs.mismatch import Mismatch
    from benchmark.verify.rows import RowChecks

_SHOWN = 50


def verify(runs: Sequence[str], ckpt: str | None, data_root: str | None, factory: str | None) -> int:
    """Predict the saved files of each run again and compare all that can be made again with what the run says.

    Returns:
        0 if every run is as its rows say, 1 if something differs, 2 if a run cannot be checked; of several the worst.
    """
    status = 0
    for folder in map(Path, runs):
        try:
            status = max(status, _verify(folder, None if ckpt is None else Path(ckpt), data_root, factory))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
    return status


def _verify(folder: Path, ckpt: Path | None, data_root: str | None, factory: str | None) -> int:
    import torch
    from tqdm import tqdm

    from benchmark.past_runs.open import open_run
    from benchmark.past_runs.overrides import override_mismatches
    from benchmark.past_runs.victim import find_victim
    from benchmark.verify.recorded import recorded_run
    from benchmark.verify.verification import Verification
    from benchmark.victims.loading import OwnNetworkError

    past_run = open_run(folder, data_root)
    recorded, notes = recorded_run(past_run)
    try:
        found = find_victim(past_run, ckpt, factory)
    except OwnNetworkError as error:
        raise InputError(f"{error}; give --factory MODULE:FUNCTION, which makes it and takes no arguments") from error
    for note in [*notes, *_changes(past_run.environment)]:
        print(f"note: {folder}: {note}", file=sys.stderr)
    if found.victim is not None:
        found.victim.to("cuda" if torch.cuda.is_available() else "cpu")
    verification = Verification(recorded, found.victim, found.name)
    overridden = override_mismatches(past_run.config, past_run.environment, past_run.moved)
    shown = _Shown([*overridden, *found.mismatches])
    rows = len(past_run.rows)
    # Without a terminal every refresh is a new line of a log file.
    interval = 0.2 if sys.stderr.isatty() else 10
    with tqdm(total=rows, desc="verify", unit="row", mininterval=interval, dynamic_ncols=True) as bar:
        try:
            for mismatch in verification.mismatches(bar.update):
                shown.add(mismatch)
        except Stopped as stop:
            stop.kept = f"{bar.n} of {rows} rows of {folder} had been checked, {shown.count} differences"
            raise
    shown.tell()
    print(_verdict(folder, rows, verification.checks, shown.count))
    return 1 if shown.count else 0


class _Shown:
    """The first mismatches, and how many there are."""

    def __init__(self, mismatches: "Sequence[Mismatch]") -> None:
        self.count, self._shown = 0, list["Mismatch"]()
        for mismatch in mismatches:
            self.add(mismatch)

    def add(self, mismatch: "Mismatch") -> None:
        self.count += 1
        if self.count <= _SHOWN:
            self._shown.append(mismatch)

    def tell(self) -> None:
        for mismatch in self._shown:
            print(mismatch)
        if self.count > _SHOWN:
            print(f"... and {self.count - _SHOWN} more")


def _verdict(folder: Path, rows: int, checks: "RowChecks", mismatches: int) -> str:
    from benchmark.verify.table import finished

    unfinished = "" if finished(folder) else f"unfinished: {rows} rows so far, "
    said = "as recorded" if not mismatches else f"{mismatches} difference{'s' * (mismatches != 1)}"
    bounded = len(checks.bounded - checks.recomputed)
    counted = (
        f"{rows} rows: {len(checks.recomputed)} columns recomputed, {bounded} of the float32 result and its cost held "
    )
    unchecked = ", ".join(checks.unchecked) or "none"
    return f"{folder}: {unfinished}{said}; {counted}against bounds and each other, not checked: {unchecked}"


def _changes(environment: Mapping[str, Any]) -> list[str]:
    """Versions that have changed since the run, which may explain mismatches."""
    from benchmark.cli.environment import package_versions

    recorded = environment.get("packages")
    then = recorded if isinstance(recorded, dict) else {}
    changed = [
        f"{name} {then.get(name)}, now {now}" for name, now in package_versions().items() if then.get(name) != now
    ]
    return [f"was made with other versions: {'; '.join(changed)}"] if changed else []


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument("--ckpt", metavar="PATH", help="the checkpoint that was attacked, if it is elsewhere now")
    parser.add_argument("--data-root", metavar="PATH", help="where the data are now, in place of data.root")
    parser.add_argument("--factory", metavar="MODULE:FUNCTION", help="makes the network, if it is one of your own")


COMMAND = Command(
    what="whether a run's numbers can be made again from its saved files",
    run=verify,
    add_arguments=_add_arguments,
    usage="RUN [RUN ...] [--ckpt PATH] [--data-root PATH] [--factory MODULE:FUNCTION]",
    description="Load the checkpoint, the clean images and the saved adversarial files of runs, predict\n"
    "again and compare every column that can be made again, hashes, splits and the summary with what the runs say.",
    epilog="""\
One line for each difference, then one for each run. Columns of the float32 result, which no file has, and of what it
cost are held against bounds that the files, the traces and each other imply. Pixels where two classes tie within
float32 rounding may be either. Runs that are not finished are checked as far as they are.

exit status: 0 all as recorded, 1 something differs, 2 a run that cannot be checked; of several runs the worst

example
  python -m benchmark verify runs/unet/... --data-root PATH
""",
)
