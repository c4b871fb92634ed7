"""Compute a run's numbers again from its saved files and compare.

Loads the checkpoint, the clean images and the saved adversarial files, predicts again, and compares every column that
can be computed again, hashes, splits and the summary with what the run recorded. One line for each difference, then one
for each run. The float32 result, which no file holds, and its cost are checked against bounds that the files, the
traces and each other imply. Pixels where two classes tie within float32 rounding may be either. Of unfinished runs the
rows so far are checked, and those that are missing from the plan are counted. A network of your own (victim=python,
torchscript, exported, hugging_face, monai or nnunet) is given again, because no run's folder may choose what is
executed; its weights have to be those of the run. With --rerun N, N images are attacked again: in float64 their rows
have to be equal, in less only alike, because there an attack amplifies rounding.

exit status: 0 all as recorded, 3 as recorded but rows or the summary are missing, or only predictions differ and the
victim does not repeat them, as its recorded check says; 1 something differs, 2 a run that cannot be checked; of several
runs the worst, in this order

examples
  python -m benchmark verify runs/unet/... --data-root PATH
  python -m benchmark verify runs/mine/... --network victim=torchscript victim.program=model.ts
"""

import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.cli.network_options import add_network_options, given_networks
from benchmark.cli.parsers import Command, Parser, path_text, progress_bar, reading, say, whole_number
from benchmark.errors import InputError, Stopped

if TYPE_CHECKING:
    from benchmark.past_runs.given_network import GivenNetwork
    from benchmark.past_runs.mismatch import Mismatch
    from benchmark.past_runs.past_run import PastRun
    from benchmark.verify.recorded import RecordedCode
    from benchmark.verify.verification import Verification
    from benchmark.victims.task import Victim

_SHOWN = 50  # differences of a run that are printed
_RECORDED, _INCOMPLETE, _DIFFERS, _UNCHECKED = 0, 3, 1, 2  # exit statuses, the worst last


class _Again(NamedTuple):
    """How many images are attacked again, and the seed that chooses them."""

    images: int
    seed: int


def verify(
    runs: Sequence[Path],
    ckpt: Path | None,
    data_root: str | None,
    *,
    network: Sequence[Sequence[str]] = (),
    factory: Sequence[str] = (),
    rerun: int = 0,
    rerun_seed: int | None = None,
) -> int:
    """Predict the saved files of each run again and compare all that can be computed again with what it recorded.

    Returns:
        The exit status that the help describes.
    """
    found, networks = {_RECORDED}, given_networks(network, factory)
    again = _Again(rerun, secrets.randbelow(10**6) if rerun_seed is None else rerun_seed)
    for folder in runs:
        try:
            with reading(folder):
                found.add(_verify(folder, ckpt, data_root, networks, again))
        except InputError as error:
            say(f"error: {error}", error=True)
            found.add(_UNCHECKED)
    return next(status for status in (_UNCHECKED, _DIFFERS, _INCOMPLETE, _RECORDED) if status in found)


def _verify(
    folder: Path, ckpt: Path | None, data_root: str | None, networks: "Sequence[GivenNetwork]", again: _Again
) -> int:
    import torch

    from benchmark.cli.environment import changed_packages, drawn_elsewhere
    from benchmark.config.overrides import assignment
    from benchmark.past_runs.open import open_run
    from benchmark.past_runs.overrides import override_mismatches
    from benchmark.past_runs.victim import find_victim
    from benchmark.results.split_overlap_line import overlap_line
    from benchmark.verify.recorded import recorded_code
    from benchmark.verify.verification import Verification
    from benchmark.victims import adapters

    past_run = open_run(folder, data_root)
    code = recorded_code(past_run)
    if networks and past_run.config["victim"].get("architecture") not in adapters.names():
        raise InputError(f"--network {networks[0]}: {folder} attacked no network of your own; leave it out")
    attacked = find_victim(past_run, ckpt, networks)
    if changed := changed_packages(past_run.environment):
        code.notes.append(f"was made with other versions: {'; '.join(changed)}")
    if line := overlap_line(past_run.environment.get("split_overlap")):
        code.notes.append(line)
    code.notes.extend(past_run.environment.get("data_notes", []))
    for note in code.notes:
        say(f"note: {folder}: {note}", error=True)
    if attacked.victim is not None:
        attacked.victim.to("cuda" if torch.cuda.is_available() else "cpu")
    elsewhere = drawn_elsewhere(past_run.environment)
    verification = Verification(past_run, code, attacked.victim, attacked.name, report=elsewhere is None)
    if elsewhere is not None and verification.complete:
        note = f"its report was made by {elsewhere} and is not compared; `report` makes it again"
        say(f"note: {folder}: {note}", error=True)
    overridden = override_mismatches(past_run.config, past_run.environment, past_run.moved)
    mismatches = [*overridden, *attacked.mismatches]
    rows = len(past_run.rows)
    with progress_bar("verify", rows, "row") as bar:
        try:
            for mismatch in verification.mismatches(bar.update):
                mismatches.append(mismatch)
        except Stopped as stop:
            stop.kept = f"{bar.n} of {rows} rows of {folder} had been checked, {len(mismatches)} differences"
            raise
    if again.images and attacked.victim is not None:
        mismatches += _attacked_again(past_run, code, attacked.victim, again)
    explained = [mismatch for mismatch in mismatches if mismatch.predicted and verification.explaining]
    if explained:
        mismatches = [mismatch for mismatch in mismatches if not mismatch.predicted]
    for mismatch in mismatches[:_SHOWN]:
        say(mismatch)
    if len(mismatches) > _SHOWN:
        say(f"... and {len(mismatches) - _SHOWN} more")
    if any(mismatch.column == "data_fingerprint" for mismatch in mismatches):
        what = "the data have changed since the run, which cannot go on with others: restore them, or give --data-root"
        say(what, error=True)
    elif any(mismatch.is_made_again for mismatch in mismatches):
        command = ["python", "-m", "benchmark", str(past_run.environment.get("command", "COMMAND"))]
        resume = shlex.join([*command, assignment("run.resume", folder)])
        say(f"to make again what is missing or damaged: {resume}", error=True)
    if explained:
        named = ", ".join(verification.explaining)
        say(
            f"note: {folder}: {len(explained)} values differ because the victim does not repeat its predictions, as "
            f"the recorded finding {named} says (such as {explained[0]}); they cannot be verified",
            error=True,
        )
    say(_verdict(folder, rows, verification, len(mismatches), len(explained)))
    return _DIFFERS if mismatches else _RECORDED if verification.complete and not explained else _INCOMPLETE


def _attacked_again(past_run: "PastRun", code: "RecordedCode", victim: "Victim", again: _Again) -> "list[Mismatch]":
    from benchmark.verify.rerun import Rerun

    chosen = Rerun(past_run, code, victim, count=again.images, seed=again.seed)
    with progress_bar("rerun", chosen.rows, "row") as bar:
        try:
            mismatches = list(chosen.mismatches(bar.update))
        except Stopped as stop:
            stop.kept = f"{bar.n} of {chosen.rows} rows of {past_run.folder} had been attacked again"
            raise
    ids = ", ".join(chosen.ids)
    say(f"{past_run.folder}: attacked again (--rerun-seed {again.seed}): {chosen.rows} rows of {ids}", error=True)
    return mismatches


def _verdict(folder: Path, rows: int, verification: "Verification", mismatches: int, explained: int) -> str:
    from benchmark.runs import layout
    from benchmark.runs.row_schema import CLAIMED

    checks, planned = verification.checks, rows + len(verification.missing)
    left = f"no {layout.SUMMARY}" if rows == planned else f"{rows} of {planned} rows"
    unfinished = "" if verification.complete else f"not finished, {left}: "
    outcome = "as recorded" if not mismatches else f"{mismatches} difference{'s' * (mismatches != 1)}"
    outcome += f", {explained} more explained by {', '.join(verification.explaining)}" if explained else ""
    claimed = [name for name in CLAIMED if name not in checks.recomputed]
    unchecked = [name for name in checks.unchecked if name not in CLAIMED]
    return (
        f"{folder}: {unfinished}{outcome}; {rows} rows: {len(checks.recomputed)} columns computed again, "
        f"{len(claimed)} of the float32 result and its cost cannot be (checked against bounds; "
        f"--rerun N attacks N images again), not checked: {', '.join(unchecked) or 'none'}"
    )


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument(
        "--ckpt", type=Path, metavar="PATH", help="where the attacked checkpoint is now, if it was moved"
    )
    what = "where the data are now, in place of data.root"
    parser.add_argument("--data-root", type=path_text, metavar="PATH", help=what)
    add_network_options(parser)
    what = "attack N images again as the run did, and compare all columns of their rows"
    parser.add_argument("--rerun", type=whole_number, default=0, metavar="N", help=what)
    what = "chooses the images of --rerun; by default a new one each time, so that nobody knows which will be chosen"
    parser.add_argument("--rerun-seed", type=int, metavar="SEED", help=what)


COMMAND = Command(text=__doc__, run=verify, add_arguments=_add_arguments)
