"""Rank attacks that look for the smallest norm by how close they come to the smallest norms known.

For each norm, sense, judge and number of passes a league of its own: the optimality of each attack (AttackBench, arXiv
2404.19460) with its interval, how often it holds the envelope, its norms beside the envelope's, and its passes to the
first success. Runs on several victims or at several kinds of target are scenarios of one league. Runs of other attacks
on the same victim, images and targets are one scenario, so that a new attack is run alone and given beside the others.
Nothing is compared across norms, judges or numbers of passes. docs/league.md has the definitions.

examples
  python -m benchmark league runs/league/...
  python -m benchmark league runs/league/unet runs/league/fpn runs/league/mine --out league
  python -m benchmark league runs/league/unet --envelope runs/1000_passes/unet --together fmn,asma_auto
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.atomic_files import save_text
from benchmark.cli.parsers import Command, Parser, reading, say
from benchmark.errors import InputError, writing

if TYPE_CHECKING:
    from benchmark.report.tables.table import TextTable
    from benchmark.results.league import League
    from benchmark.results.loaded_runs import Run


def league(
    runs: Sequence[Path],
    envelope: Sequence[Path],
    out: Path | None,
    *,
    together: Sequence[str] = (),
    float_norms: bool = False,
) -> int:
    """Print the tables of the leagues; write them, their numbers and figures into `out`, if it is given.

    The norms of the runs `envelope` belong to the envelope. Each text of `together` names attacks, divided by commas,
    that are ranked as one, too.

    Raises InputError for a folder that holds no run, and for runs without an attack that has no budget.
    """
    from benchmark.report.tables.league_table import league_grids
    from benchmark.report.tables.table import print_tables
    from benchmark.results.entries import entries
    from benchmark.results.league import leagues
    from benchmark.results.loaded_runs import Results

    for folder in (*runs, *envelope):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give the folder of a run")
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: is not a folder; choose another")
    presets = list(dict.fromkeys(map(_preset, together)))
    with reading(*runs, *envelope):
        ranked, further = _read(runs, envelope)
        compared, reference = (entries(Results(one, [], [])) for one in (ranked, further))
        found = leagues(compared, reference, presets=presets, of_files=not float_norms)
        if not found:
            what = "has no attack without a budget, and a league ranks no others"
            raise InputError(f"{', '.join(map(str, runs))}: {what}; make a run with experiment=league")
        _check_presets(presets, found)
        _check_envelope(further, found)
        grids = league_grids(found, compared)
    print_tables(grids)
    if out is not None:
        _write(out, ranked, found, grids)
    return 0


def _read(runs: Sequence[Path], envelope: Sequence[Path]) -> "tuple[Sequence[Run], Sequence[Run]]":
    """The runs to rank, and those of the envelope.

    Raises InputError for a folder without rows of attacks, and for rows that are given twice.
    """
    from benchmark.results.loaded_runs import read_results
    from benchmark.results.transfer_matrix import TRANSFER

    for folder in (*runs, *envelope):
        if TRANSFER.exists(folder):
            what = "is an evaluation of transfer, and a league ranks attacks"
            raise InputError(f"{folder}: {what}; give the run that it was made of")
    found = read_results([*runs, *envelope]).runs
    for place, run in enumerate(found):
        for other in found[:place]:
            if run.rows == other.rows:
                what = f"holds the rows of {other.folder.path}, which would count twice"
                raise InputError(f"{run.folder.path}: {what}; give one of the two")
    return found[: len(runs)], found[len(runs) :]


def _preset(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or len({*names}) < len(names) or not all(names):
        raise InputError(f"--together {text}: give the names of two or more attacks, such as fmn,asma_auto")
    return names


def _check_presets(presets: Sequence[Sequence[str]], found: "Sequence[League]") -> None:
    fields = [field for one in found for field in one.fields]
    for preset in presets:
        if not any(set(preset) <= set(field.attacks) for field in fields):
            rivals = dict.fromkeys(", ".join(field.scenario.rows) for field in fields)
            what = "are not ranked with one another in any table; those that are: " + "; ".join(rivals)
            raise InputError(f"--together {','.join(preset)}: {what}")


def _check_envelope(further: "Sequence[Run]", found: "Sequence[League]") -> None:
    used = [entry.run for one in found for field in one.fields for entry in field.scenario.referred]
    unused = [run for run in further if not any(run is one for one in used)]
    folders = " ".join(str(run.folder.path) for run in unused)
    what = "has no attack on the victims, images and targets that are ranked, or with their judge and norm"
    if unused and not used:
        raise InputError(f"--envelope {folders}: {what}; give runs that have")
    if unused:
        say(f"note: --envelope {folders}: {what}", error=True)


def _write(out: Path, runs: "Sequence[Run]", found: "Sequence[League]", grids: "Sequence[TextTable]") -> None:
    from benchmark.report.figures.figure_file import save_figures
    from benchmark.report.figures.league import league_figures
    from benchmark.report.tables.league_csv import league_csv
    from benchmark.report.tables.table import markdown
    from benchmark.runs import layout

    with writing(f"--out {out}: cannot be written", remedy="choose another"):
        out.mkdir(parents=True, exist_ok=True)
        save_text(out / layout.LEAGUE_TABLES, markdown(grids))
        save_text(out / layout.LEAGUE_NUMBERS, league_csv(found))
        say(f"tables   {out / layout.LEAGUE_TABLES}", f"numbers  {out / layout.LEAGUE_NUMBERS}")
        if drawn := league_figures(found, runs):
            say(f"figures  {save_figures(out / layout.LEAGUE_FIGURES, drawn)}")


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run that has attacked images")
    what = "runs with other numbers of passes, whose norms belong to the envelope and whose attacks are not ranked"
    parser.add_argument("--envelope", nargs="+", type=Path, default=[], metavar="RUN", help=what)
    what = "attacks that are ranked as one beside the others, by the smaller norm; may be given again"
    parser.add_argument("--together", action="append", default=[], metavar="ATTACK,ATTACK", help=what)
    what = "gets league.md, league.csv and league.png; made if it is not there"
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=what)
    what = "take the norms of the float results in place of those of their 8-bit files, which can be computed again"
    parser.add_argument("--float", dest="float_norms", action="store_true", help=what)


COMMAND = Command(text=__doc__, run=league, add_arguments=_add_arguments)
