"""`report`: what finished runs, evaluations of transfer and others' cards have to show, as one page."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.parsers import Command, Parser
from benchmark.errors import InputError


def report(paths: Sequence[str], out: str | None, title: str | None) -> int:
    """Write the page, by default report.html in the folder of a single run and else here."""
    from benchmark.report.page.page import write_page
    from benchmark.results.loaded import read_results
    from benchmark.runs.folder import RunFolder

    given = [Path(path) for path in paths]
    results = read_results(given)
    folder = RunFolder(given[0] if len(given) == 1 and given[0].is_dir() else Path())
    target = folder.report_file if out is None else Path(out)
    if target.is_dir() or not target.resolve().parent.is_dir():
        raise InputError(f"--out {target}: is no file in a folder that is there; give another")
    print(f"report   {write_page(results, target, title)}")
    return 0


def _add_arguments(parser: Parser) -> None:
    what = "folder of a run or of transfer, or a card that `export` wrote"
    parser.add_argument("paths", nargs="+", metavar="RUN", help=what)
    parser.add_argument("--out", metavar="FILE", help="by default report.html, in a single run's folder or else here")
    parser.add_argument("--title", metavar="TEXT", help="of the page")


COMMAND = Command(
    what="runs side by side as one page to look at, which opens anywhere",
    run=report,
    add_arguments=_add_arguments,
    usage="RUN [RUN ...] [--out FILE]",
    epilog="""\
One HTML file that needs no network: numbers, curves, every image with its pictures, tables, what ran. Of several runs
a leaderboard, curves in one figure, and one run against another image by image.

examples
  python -m benchmark report runs/demo/...
  python -m benchmark report runs/unet/... runs/fpn/... runs/transfer/... theirs.json --out comparison.html
""",
)
