"""`transfer`: what pictures made against the models of some runs do to other models."""

import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmark import __version__
from benchmark.atomic_files import save_text
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError, Stopped
from benchmark.past_runs.open import open_past_runs
from benchmark.report.tables.transfer_table import print_transfer, transfer_markdown
from benchmark.results.transfer_matrix import TRANSFER, check_white_box, write_transfer_summary
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import Writer
from benchmark.transfer.evaluate import Evaluation
from benchmark.transfer.models import labels, load_models


def transfer(runs: Sequence[str], victims: Sequence[str], out: str | None) -> int:
    """Show the saved pictures of `runs` to the models of the checkpoints `victims`; rows, matrices and tables in `out`.

    The models that were attacked are shown them too where they can be found again.

    Raises:
        InputError: anything that is missing, has changed since the runs, or does not fit; nothing is written then.
    """
    folder = Path(out) if out is not None else Path("runs", "transfer", _new_name())
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"--out {folder}: is there already and no empty folder; choose another")
    past_runs = open_past_runs([Path(run) for run in runs])
    models, missing = load_models([Path(victim) for victim in victims], past_runs)
    for past_run in past_runs:
        past_run.check()
    for line in missing:
        print(f"note: {line}", file=sys.stderr)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for model in models:
        model.victim.to(device)
    by_model, by_source = labels(models, past_runs)
    evaluations = []
    for past_run in past_runs:
        shown_to = {by_model[model.weights_sha256]: model for model in models if model.judges(past_run, past_runs)}
        evaluations.append(Evaluation("/".join(folder.parts[-2:]), past_run, by_source[past_run.name], shown_to))
    with _made(folder):
        _write_rows(folder, evaluations)
        tables = _write_summary(
            folder,
            benchmark=__version__,
            device=str(device),
            sources={s.name: {"folder": str(s.folder), "victim": by_source[s.name]} for s in past_runs},
            models={by_model[m.weights_sha256]: {"checkpoint": str(m.path), "given": m.given} for m in models},
        )
    print_transfer(tables)
    _warn(check_white_box(TRANSFER.read(folder)))
    for what, name in (("rows", "transfer.parquet"), ("summary", "summary.json"), ("tables", "transfer.md")):
        print(f"{what:8} {folder / name}")
    return 0


def _new_name() -> str:
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def _write_rows(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    writer = Writer(folder, TRANSFER)
    total = sum(len(evaluation.past_run.rows) * len(evaluation.models) for evaluation in evaluations)
    # Without a terminal every refresh is a new line of a log file.
    interval = 0.2 if sys.stderr.isatty() else 10
    with tqdm(total=total, desc="transfer", unit="picture", mininterval=interval, dynamic_ncols=True) as bar:
        for evaluation in evaluations:
            for rows in evaluation.rows():
                writer.append(rows)
                bar.update(len(rows))
                check_stop()
    TRANSFER.merge(folder)


def _write_summary(folder: Path, **about: Any) -> list[dict[str, Any]]:
    tables = write_transfer_summary(TRANSFER.read(folder), RunFolder(folder), **about)
    save_text(folder / "transfer.md", transfer_markdown(tables))
    return tables


def _warn(checked: Mapping[str, Any]) -> None:
    if checked["differing"]:
        print(
            f"warning: {checked['differing']} of {checked['rows']} white-box rows differ from what their runs recorded "
            f"(IoU by up to {checked['largest_iou_difference']:.3f}); the runs' own numbers are the columns source_*",
            file=sys.stderr,
        )


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the folder; if the block fails or is interrupted, leave everything as it was before."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be made ({error.strerror}); choose another") from error
    try:
        yield
        check_stop()
    except BaseException as error:
        shutil.rmtree(folder)
        for path in new[1:]:
            path.rmdir()
        if not new:
            folder.mkdir()
        if isinstance(error, Stopped):
            error.kept = "nothing was written"
        raise
