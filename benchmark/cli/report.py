"""Write one page that shows runs side by side and opens anywhere.

One HTML file that needs no network: numbers, curves, every image with its pictures, tables, what ran. Of several runs
a leaderboard, curves in one figure, and one run against another image by image.

examples
  python -m benchmark report runs/demo/...
  python -m benchmark report runs/unet/... runs/fpn/... runs/transfer/... theirs.json --out comparison.html
"""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from benchmark.cli.parsers import Command, Parser, check_target, reading, say


def report(paths: Sequence[Path], out: Path | None, title: str | None) -> int:
    """Write the page, by default report.html in the folder of a single run and else here."""
    from benchmark.cli.owner import owned
    from benchmark.report.page.page import write_page
    from benchmark.results.loaded_runs import read_results
    from benchmark.runs.folder import RunFolder

    own_folder = out is None and len(paths) == 1 and paths[0].is_dir()
    target = out or RunFolder(paths[0] if own_folder else ".").report_file
    owner = owned(paths[0], "report", remedy="give --out FILE") if own_folder else nullcontext()
    with owner, reading(*paths):
        results = read_results(paths)
        check_target("--out", target)
        say(f"report   {write_page(results, target, title)}")
    return 0


def _add_arguments(parser: Parser) -> None:
    what = "folder of a run or of transfer, or a card that `export` wrote"
    parser.add_argument("paths", nargs="+", type=Path, metavar="RUN", help=what)
    what = "by default report.html, in the folder of a single run or else here"
    parser.add_argument("--out", type=Path, metavar="FILE", help=what)
    parser.add_argument("--title", metavar="TEXT", help="of the page")


COMMAND = Command(text=__doc__, run=report, add_arguments=_add_arguments)
