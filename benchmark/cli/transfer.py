"""`transfer`: what pictures made against the models of some runs do to other models."""

import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import __version__
from benchmark.cli.parsers import Command, Parser
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError, Stopped

if TYPE_CHECKING:
    from benchmark.transfer.evaluate import Evaluation


def transfer(runs: Sequence[str], victims: Sequence[str], out: str | None) -> int:
    """Show the saved pictures of `runs` to the models of the checkpoints `victims`; rows, matrices and tables in `out`.

    The models that were attacked are shown them too where they can be found again.

    Raises:
        InputError: anything that is missing, has changed since the runs, or does not fit; nothing is written then.
    """
    import torch

    from benchmark.past_runs.open import open_past_runs
    from benchmark.report.tables.table import print_tables
    from benchmark.report.tables.transfer_table import transfer_grids
    from benchmark.results.transfer_matrix import TRANSFER, check_white_box
    from benchmark.runs.folder import RunFolder
    from benchmark.transfer.evaluate import Evaluation
    from benchmark.transfer.models import labels, load_models

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
    print_tables(transfer_grids(tables))
    _warn(check_white_box(TRANSFER.read(folder)))
    run = RunFolder(folder)
    for what, file in (
        ("rows", TRANSFER.merged(folder)),
        ("summary", run.summary_file),
        ("tables", run.transfer_report_file),
    ):
        print(f"{what:8} {file}")
    return 0


def _new_name() -> str:
    return f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(2)}"


def _write_rows(folder: Path, evaluations: "Sequence[Evaluation]") -> None:
    from tqdm import tqdm

    from benchmark.results.transfer_matrix import TRANSFER
    from benchmark.runs.tables import Writer

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
    from benchmark.atomic_files import save_text
    from benchmark.report.tables.table import markdown
    from benchmark.report.tables.transfer_table import transfer_grids
    from benchmark.results.transfer_matrix import TRANSFER, write_transfer_summary
    from benchmark.runs.folder import RunFolder

    run = RunFolder(folder)
    tables = write_transfer_summary(TRANSFER.read(folder), run, **about)
    save_text(run.transfer_report_file, markdown(transfer_grids(tables)))
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


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run that has attacked images")
    what = "checkpoints of the models to judge"
    parser.add_argument("--victims", nargs="+", required=True, metavar="CKPT", help=what)
    parser.add_argument("--out", metavar="FOLDER", help="new or empty; by default runs/transfer/<time>_<token>")


COMMAND = Command(
    what="what the adversarial images of finished runs do to other victims",
    run=transfer,
    add_arguments=_add_arguments,
    usage="RUN [RUN ...] --victims CKPT [CKPT ...] [--out FOLDER]",
    description="Show the saved adversarial images of finished runs to other victims, beside noise of the same\n"
    "norm and the clean images: rows, and for each attack a matrix of models attacked and models judged.",
    epilog="""\
The data have to be those of the run, and the victims have to tell its classes apart. A run's own model is judged too
if its checkpoint is found; its numbers have to be those of the run. Written are rows, transfer.parquet, and what is
computed from them, summary.json and transfer.md.

example
  python -m benchmark transfer runs/unet/... runs/fpn/... --victims runs/pspnet/.../checkpoints/best.ckpt
""",
)
