"""Show the saved adversarial images of finished runs to other victims.

Noise of the same norm and the clean images are shown beside them. The data have to be those of the run, and the victims
have to tell its classes apart. A run's own model is judged too if its checkpoint is found; its numbers have to be those
of the run. Written are rows, transfer.parquet, and what is computed from them, summary.json and transfer.md: for each
attack a matrix of models attacked and models judged. A network of your own (victim=python, torchscript, exported,
hugging_face, monai or nnunet) is given by --network, also where it is the one that a run attacked.

examples
  python -m benchmark transfer runs/unet/... runs/fpn/... --victims runs/pspnet/.../checkpoints/best.ckpt
  python -m benchmark transfer runs/unet/... --network victim=torchscript victim.program=model.ts
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import __version__
from benchmark.atomic_files import save_text
from benchmark.cli.network_options import add_network_options, given_networks
from benchmark.cli.parsers import Command, Parser, progress_bar, reading, say
from benchmark.config.resolvers import make_stamp
from benchmark.distributed.termination import check_stop
from benchmark.errors import InputError, Stopped

if TYPE_CHECKING:
    from benchmark.past_runs.given_network import GivenNetwork
    from benchmark.transfer.evaluate import Evaluation


def transfer(
    runs: Sequence[Path],
    victims: Sequence[Path],
    out: Path | None,
    *,
    network: Sequence[Sequence[str]] = (),
    factory: Sequence[str] = (),
) -> int:
    """Show the saved pictures of `runs` to the models of the checkpoints `victims` and to networks of the user's own.

    Rows, matrices and tables are written to `out`. Raises InputError for anything that is missing, has changed since
    the runs, or does not fit; then nothing is left.
    """
    from benchmark.cli.owner import owned

    networks = given_networks(network, factory)
    if not victims and not networks:
        raise InputError("no model to judge: the following arguments are required: --victims or --network")
    folder = out or Path("runs", "transfer", make_stamp())
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: exists and is not an empty folder; choose another")
    with owned(folder, "transfer", remedy="give another --out"), _removed_on_failure(folder), reading(*runs):
        _transfer(runs, victims, networks, folder)
    return 0


def _transfer(runs: Sequence[Path], victims: Sequence[Path], networks: "Sequence[GivenNetwork]", folder: Path) -> None:
    import torch

    from benchmark.past_runs.open import open_past_runs
    from benchmark.report.tables.table import markdown, print_tables
    from benchmark.report.tables.transfer_table import transfer_grids
    from benchmark.results.transfer_matrix import TRANSFER, check_white_box, write_transfer_summary
    from benchmark.runs.folder import RunFolder
    from benchmark.runs.victim_doubts import doubt_lines
    from benchmark.transfer.evaluate import Evaluation
    from benchmark.transfer.models import labels, load_models

    run, past_runs = RunFolder(folder), open_past_runs(runs)
    models, missing = load_models(victims, past_runs, networks)
    for past_run in past_runs:
        past_run.check()
    for line in missing:
        say(f"note: {line}", error=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for model in models:
        model.victim.to(device)
    by_model, by_source = labels(models, past_runs)
    evaluations = []
    for past_run in past_runs:
        shown_to = {by_model[model.weights_sha256]: model for model in models if model.judges(past_run, past_runs)}
        evaluations.append(Evaluation("/".join(folder.parts[-2:]), past_run, by_source[past_run.name], shown_to))
    _write_rows(folder, evaluations)
    matrices = write_transfer_summary(
        TRANSFER.read(folder),
        run,
        benchmark=__version__,
        device=str(device),
        sources={
            s.name: {"folder": str(s.folder), "victim": by_source[s.name], "doubts": doubt_lines(s.victim_check)}
            for s in past_runs
        },
        models={by_model[m.weights_sha256]: {"checkpoint": str(m.path), "given": m.given} for m in models},
    )
    notes = [
        f"Doubtful victim {by_source[source.name]}: {line}."
        for source in past_runs
        for line in doubt_lines(source.victim_check)
    ]
    grids = [replace(grid, notes=[*notes, *grid.notes]) for grid in transfer_grids(matrices)]
    save_text(run.transfer_report_file, markdown(grids))
    print_tables(grids)
    checked = check_white_box(TRANSFER.read(folder))
    if checked["differing"]:
        say(
            f"warning: {checked['differing']} of {checked['rows']} white-box rows differ from what their runs recorded "
            f"(IoU by up to {checked['largest_iou_difference']:.3f}); the runs' own numbers are the columns source_*",
            error=True,
        )
    say(f"rows     {TRANSFER.merged(folder)}", f"summary  {run.summary_file}", f"tables   {run.transfer_report_file}")


def _write_rows(folder: Path, evaluations: "Sequence[Evaluation]") -> None:
    from benchmark.results.transfer_matrix import TRANSFER
    from benchmark.runs.tables import Writer

    writer = Writer(folder, TRANSFER)
    total = sum(len(evaluation.past_run.rows) * len(evaluation.models) for evaluation in evaluations)
    with progress_bar("transfer", total, "picture") as bar:
        for evaluation in evaluations:
            for rows in evaluation.rows():
                writer.append(rows)
                bar.update(len(rows))
                check_stop()
    TRANSFER.merge(folder)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove what the block has written in an empty folder if it fails or is interrupted."""
    from benchmark.runs.folder import RunFolder

    if RunFolder(folder).names():
        raise InputError(f"--out {folder}: exists and is not an empty folder; choose another")
    try:
        yield
        check_stop()
    except BaseException as error:
        for name in RunFolder(folder).names():
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if isinstance(error, Stopped):
            error.kept = "nothing was written"
        raise


def _add_arguments(parser: Parser) -> None:
    parser.usage = "%(prog)s RUN [RUN ...] [--victims CKPT [CKPT ...]] [--network KEY=VALUE ...] [--out FOLDER]"
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run that has attacked images")
    parser.add_argument(
        "--victims", nargs="+", type=Path, default=[], metavar="CKPT", help="checkpoints of models to judge"
    )
    add_network_options(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="new or empty; by default runs/transfer/<time>_<token>"
    )


COMMAND = Command(text=__doc__, run=transfer, add_arguments=_add_arguments)
