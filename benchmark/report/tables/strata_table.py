"""Tables of results by strata: one attack in full, several side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.report.tables.class_table import class_grids
from benchmark.report.tables.table import NORM_UNITS, TextTable, label, missing_median, number, success
from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.column_arrays import NORM_COLUMNS
from benchmark.results.ranking import Summaries, ranked
from benchmark.results.structure_size import LARGE, SIZES, SMALL
from benchmark.results.target_strata import TARGETS
from benchmark.results.truth_name import data_notes, truth_name


@dataclass(frozen=True, kw_only=True)
class Division:
    """How rows are divided into strata.

    Attributes:
        key: the key of the strata in a summary.
        head: the heading of the column that names the strata, which stand in this `order`.
        bounds, of: stratum -> the range of shares that it stands for, and what they are shares of.
    """

    key: str
    title: str
    head: str
    order: Sequence[str]
    bounds: Mapping[str, str] = field(default_factory=dict)
    of: str = ""


DIVISIONS = (
    Division(
        key="by_size",
        title="By size of the structure",
        head="foreground",
        order=SIZES,
        bounds={"small": f"< {100 * SMALL:g} %", "large": f"> {100 * LARGE:g} %"},
        of="Foreground of the valid pixels",
    ),
    Division(key="by_target", title="Erased targets apart", head="target", order=TARGETS),
)


def strata_grids_of_one(summary: Mapping[str, Any]) -> list[TextTable]:
    """One attack: a table for each division that its summary has strata of, and one of its classes."""
    return [*(_full(division, summary) for division in DIVISIONS if summary[division.key]), *class_grids([summary])]


def strata_grids(summaries: Summaries) -> list[TextTable]:
    """Several attacks: for each division and norm, a table of success and median norm; then classes."""
    grids = [
        _side_by_side(division, norm, shown)
        for division in DIVISIONS
        for norm, shown in ranked(summaries).items()
        if any(one[division.key] for one in shown)
    ]
    return grids + class_grids(summaries)


def _full(division: Division, summary: Mapping[str, Any]) -> TextTable:
    strata = summary[division.key]
    name, factor, decimals = NORM_UNITS[next(iter(strata.values()))["norm"]]
    rows = [
        (
            f"{stratum} ({division.bounds[stratum]})" if stratum in division.bounds else stratum,
            str(one["attacked"]),
            *success(one),
            _median(one, factor, decimals),
            number(one["adv8_iou_target"], 1, 3),
            number(one["adv8_iou_truth"], 1, 3),
        )
        for stratum, one in strata.items()
    ]
    scores = (f"{name}\nmedian", "IoU to\ntarget", f"IoU to\n{truth_name([summary])}")
    header = [division.head, "attacked", "success\n%", "95 %\ninterval", *scores]
    notes = ["Failures count as infinite in medians.", *data_notes([summary])]
    return TextTable(f"{division.title}, 8-bit", header, rows, notes)


def _side_by_side(division: Division, norm: str, shown: Summaries) -> TextTable:
    name, factor, decimals = NORM_UNITS[NORM_COLUMNS[norm]]
    strata = [stratum for stratum in division.order if any(stratum in one[division.key] for one in shown)]
    rows = []
    for one in shown:
        cells = [label(one)]
        for stratum in strata:
            result = one[division.key].get(stratum)
            rate = f"{number(result['success8_rate'], 100, 1)} ({result['attacked']})" if result else "-"
            # The strata of a control may be measured in another norm than those of the attack that it copies.
            same = result is not None and result["norm"] == NORM_COLUMNS[norm]
            cells += [rate, _median(result, factor, decimals) if result and same else "-"]
        rows.append(cells)
    header = ["attack", *(head for stratum in strata for head in (f"{stratum}\n% (of)", f"{stratum}\n{name}"))]
    bounds = [f"{stratum} {share}" for stratum, share in division.bounds.items() if stratum in strata]
    notes = [
        f"Success of the 8-bit file in % (of images attacked), and median {NORM_NAMES[norm]} with failures infinite.",
        *([f"{division.of}: {', '.join(bounds)}."] if bounds else []),
        *data_notes(shown),
    ]
    return TextTable(f"{division.title} · {NORM_NAMES[norm]}", header, rows, notes)


def _median(one: Mapping[str, Any], factor: float, decimals: int) -> str:
    return number(one["median_norm_all"], factor, decimals, missing_median(one))
