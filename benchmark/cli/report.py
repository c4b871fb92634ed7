"""`report`: what finished runs, evaluations of transfer and others' cards have to show, as one page."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import InputError
from benchmark.report.page.page import write_page
from benchmark.results.loaded import read_results


def report(paths: Sequence[str], out: str | None, title: str | None) -> int:
    """Write the page, by default report.html in the folder of a single run and else here."""
    given = [Path(path) for path in paths]
    results = read_results(given)
    beside = given[0] if len(given) == 1 and given[0].is_dir() else Path()
    target = beside / "report.html" if out is None else Path(out)
    if target.is_dir() or not target.resolve().parent.is_dir():
        raise InputError(f"--out {target}: is no file in a folder that is there; give another")
    print(f"report   {write_page(results, target, title)}")
    return 0
