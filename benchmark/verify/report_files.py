"""The texts and pictures of the report, made again from the rows and compared with those in the folder."""

import html
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import machine_error
from benchmark.images.image_files import open_picture
from benchmark.past_runs.mismatch import Mismatch
from benchmark.report.figures.run_curves import draw_curves
from benchmark.report.figures.run_montages import run_montages
from benchmark.report.figures.saved_images import saved_pictures
from benchmark.report.page.page import page_text
from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.table import markdown
from benchmark.results.loaded_runs import Results, read_results
from benchmark.runs.folder import RunFolder
from benchmark.runs.limited_text import read_text

_CURE = "make it again: python -m benchmark report RUN"
_LONGEST = 100  # characters of a line that are shown
_LARGEST = 2**30  # bytes of a page


def report_mismatches(run: RunFolder, montage: int) -> Iterator[Mismatch]:
    """Files of the report that are not what the rows give; those that are not there are left out.

    Args:
        run: a finished run, made by this version of the program on a machine that draws like this one.
        montage: images in a montage.
    """
    try:
        # The page names the folder, which is replaced below, and the whole path stands nowhere else.
        results = read_results([run.path.resolve()])
        yield from _comparison(run, results)
        yield from _page(run, results)
        yield from _drawn(run, run.curves_file, partial(draw_curves, results))
        for one in run_montages(run, results.runs[0].rows, montage, partial(saved_pictures, run)):
            yield from _drawn(run, one.path, one.draw)
    except Exception as error:  # rows of a stranger may hold any values
        if failure := machine_error(error):
            raise failure from error
        yield Mismatch("report", f"cannot be made from the rows again ({type(error).__name__}: {error})", _CURE)


def _comparison(run: RunFolder, results: Results) -> Iterator[Mismatch]:
    file, summary, check = run.comparison_file, results.runs[0].summary, results.runs[0].check
    if file.is_file():
        again = markdown(comparison(*summary, check)) if len(summary.attacks) > 1 else ""
        yield from _text(file, _read(run, file), again)


def _page(run: RunFolder, results: Results) -> Iterator[Mismatch]:
    file = run.report_file
    if not file.is_file():
        return
    recorded, folder = _read(run, file), str(results.runs[0].folder.path)
    title = re.search("<title>(.*?)</title>", recorded)
    again = page_text(results, results.runs[0].folder.report_file, html.unescape(title[1]) if title else None)
    if made_in := re.search("<dt>folder</dt><dd>(.*?)</dd>", recorded):
        for write in (html.escape, _as_json):
            again = again.replace(write(folder), write(html.unescape(made_in[1])))
    yield from _text(file, recorded, again)


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1].replace("<", "\\u003c")


def _text(file: Path, recorded: str, again: str) -> Iterator[Mismatch]:
    """The first line that differs, without markup."""
    if recorded == again:
        return
    pairs = zip_longest(recorded.splitlines(), again.splitlines(), fillvalue="")
    differing = ((n, line, other) for n, (line, other) in enumerate(pairs, 1) if line != other)
    number, line, other = next(differing, (0, "", ""))  # texts may differ in their ends of lines alone
    start = next((i for i, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), min(len(line), len(other)))
    what = f"line {number} says {_part(line, start)!r}, the rows give {_part(other, start)!r}"
    yield Mismatch(file.name, what, _CURE)


def _part(line: str, start: int) -> str:
    return line[max(0, start - _LONGEST // 2) : start + _LONGEST // 2].strip()


def _drawn(run: RunFolder, file: Path, draw: Callable[[Path], object]) -> Iterator[Mismatch]:
    """A picture whose pixels differ from those that `draw` makes at a path."""
    if not file.is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / file.name
        draw(again)
        expected = _pixels(again, Path(folder))
    try:
        same = np.array_equal(_pixels(file, run.path), expected)
    except OSError as error:
        yield Mismatch(file.name, f"cannot be read ({error.strerror or error})", _CURE)
        return
    if not same:
        yield Mismatch(file.name, "is not the picture that the rows give", _CURE)


def _pixels(file: Path, inside: Path) -> NDArray[np.uint8]:
    with open_picture(file, inside=inside) as picture:
        return np.asarray(picture.convert("RGB"))


def _read(run: RunFolder, file: Path) -> str:
    try:
        return read_text(file, _LARGEST, inside=run.path)
    except ValueError as error:
        return f"({error})"
