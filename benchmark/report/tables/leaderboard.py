"""The leaderboard: one line per attack and run; each cell has a text to read and a value to sort by."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from benchmark.report.tables.table import interval, label, missing_median, number
from benchmark.results.entries import Entry, differing_settings
from benchmark.results.truth_name import BY_DEFINITION, is_predicted, truth_name
from benchmark.runs.victim_doubts import doubt_names


class Cell(NamedTuple):
    """A cell is sorted by its `value`: a number, a text, or None, which comes last."""

    text: str
    value: float | str | None


class Column(NamedTuple):
    """A column shows the value `key` of an entry; `note` describes it in full."""

    key: str
    label: str
    note: str
    cell: Callable[[Entry], Cell]
    numeric: bool = True


def _text(key: str, label: str, note: str) -> Column:
    return Column(key, label, note, lambda entry: _of_text(str(entry.summary.get(key) or "")), numeric=False)


def _mean(key: str, label: str, note: str) -> Column:
    return Column(key, label, note, lambda entry: _number(entry.summary.get(key, {}).get("mean"), 1, 3))


def _median(key: str, label: str, *, which: str, factor: float, decimals: int) -> Column:
    def cell(entry: Entry) -> Cell:
        return _number(entry.summary.get(key, {}).get(which), factor, decimals, missing_median(entry.summary))

    return Column(f"{key}.{which}", label, "median, failures as infinite", cell)


def _of_text(text: str) -> Cell:
    return Cell(text, text)


def _number(value: float | None, factor: float, decimals: int, missing: str = "-") -> Cell:
    return Cell(number(value, factor, decimals, missing), None if value is None else value * factor)


def _clean_iou(entry: Entry) -> Cell:
    if is_predicted(entry.summary):
        return Cell(BY_DEFINITION, None)
    return _number(entry.summary.get("clean_iou_truth", {}).get("mean"), 1, 3)


def _rate(entry: Entry) -> Cell:
    rate, bounds = entry.summary.get("success8_rate"), entry.summary.get("success8_rate_ci95")
    if rate is None:
        return Cell("-", None)
    return Cell(f"{number(rate, 100, 1)} ({interval(bounds, 100, 0)})", 100 * rate)


def _setting(key: str, entry: Entry) -> Cell:
    value = entry.settings.get(key, "")
    return Cell(str(value), value if isinstance(value, float | int) else str(value))


COLUMNS = (
    Column("attack", "attack", "the attack and, after @, its budget; † copies another's norm",
           lambda entry: _of_text(label(entry.summary)), numeric=False),
    _text("victim", "victim", "architecture and encoder that was attacked"),
    Column("doubts", "doubts about the victim", "what the check of the victim has found",
           lambda entry: _of_text(", ".join(doubt_names(entry.check))), numeric=False),
    _text("data", "data", "data set"),
    _text("target", "target", "the target of the attack"),
    Column("attacked", "images", "attacked images, whose clean version does not satisfy the judge",
           lambda entry: _number(entry.summary.get("attacked", entry.summary["images"]), 1, 0)),
    Column("success8_rate", "success, %", "of the 8-bit file, with its 95 % interval", _rate),
    Column("clean_iou_truth", "IoU to truth, clean", "mean over images", _clean_iou),
    _mean("adv8_iou_truth", "IoU to truth", "mean over images, of the 8-bit file"),
    _mean("adv8_iou_target", "IoU to target", "mean over images, of the 8-bit file"),
    _mean("adv8_pixel_acc_target", "accuracy to target", "pixel accuracy, mean over images, of the 8-bit file"),
    _median("l2", "L2", which="median_all8", factor=1, decimals=3),
    _median("linf", "L∞ · 255", which="median_all8", factor=255, decimals=2),
    Column("psnr.median", "PSNR, dB", "median over successes",
           lambda entry: _number(entry.summary.get("psnr", {}).get("median"), 1, 1)),
    _median("success_passes", "passes to success", which="median_all", factor=1, decimals=0),
    Column("passes.median", "passes", "forward and backward passes spent on an image, median",
           lambda entry: _number(entry.summary.get("passes", {}).get("median"), 1, 0)),
)  # fmt: skip


def leaderboard(compared: Sequence[Entry]) -> tuple[list[Column], list[list[Cell]]]:
    """Columns and lines, sorted by falling success, then by rising L2.

    With several runs, further columns show the run and the settings that differ. A column of texts is left out if all
    lines have the same text, and that of the doubts if there are none.
    """
    truth = truth_name(entry.summary for entry in compared)
    columns = [column._replace(label=column.label.replace("truth", truth)) for column in COLUMNS]
    if len({(entry.run is None, entry.source) for entry in compared}) > 1:
        columns.insert(0, Column("run", "run", "the run, or the card", lambda entry: _of_text(entry.source), False))
        for key in differing_settings(compared):
            columns.append(Column(key, key, "of the configuration", partial(_setting, key), numeric=False))
    lines = [[column.cell(entry) for column in columns] for entry in sorted(compared, key=_rank)]
    kept = [
        k
        for k, column in enumerate(columns)
        if column.numeric
        or column.key in ("attack", "run")
        or len({line[k].text for line in lines}) > 1
        or (column.key == "doubts" and any(line[k].text for line in lines))
    ]
    return [columns[k] for k in kept], [[line[k] for k in kept] for line in lines]


def _rank(entry: Entry) -> tuple[float, float, str]:
    rate, median = entry.summary.get("success8_rate"), entry.summary.get("l2", {}).get("median_all8")
    return -(rate or 0), math.inf if median is None else median, entry.name
