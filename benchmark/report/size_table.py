"""Results by size of the structure as tables: of one attack in full, of several side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.columns import NORM_COLUMNS
from benchmark.report.grids import Grid, interval, label, number
from benchmark.report.ranking import ranked
from benchmark.report.sizes import LARGE, SIZES, SMALL
from benchmark.report.sweeps import NORM_NAMES

Summaries = Sequence[Mapping[str, Any]]

_NORMS = {"l1": ("L1", 1, 1), "l2": ("L2", 1, 3), "linf": ("L∞ · 255", 255, 2)}
_SHARES = {"small": f"< {100 * SMALL:g} %", "large": f"> {100 * LARGE:g} %"}


def size_grid(summary: Mapping[str, Any]) -> Grid:
    """One attack's results by size of the truth's foreground."""
    sizes = summary["by_size"]
    name, factor, decimals = _NORMS[next(iter(sizes.values()))["norm"]]
    rows = [
        (
            f"{size} ({_SHARES[size]})" if size in _SHARES else size,
            str(one["attacked"]),
            number(one["success8_rate"], 100, 1),
            interval(one["success8_rate_ci95"], 100, 0),
            _median(one, factor, decimals),
            number(one["adv8_iou_target"], 1, 3),
            number(one["adv8_iou_truth"], 1, 3),
        )
        for size, one in sizes.items()
    ]
    header = (
        *("foreground", "attacked", "success\n%", "95 %\ninterval", f"{name}\nmedian", "IoU to\ntarget"),
        "IoU to\ntruth",
    )
    return Grid("By size of the structure, 8-bit", header, rows, ["Medians with failures infinite."])


def size_grids(summaries: Summaries) -> list[Grid]:
    """For each norm the attacks are about: success and median norm of each attack by size, for the sizes there are."""
    return [
        _attacks_by_size(norm, shown)
        for norm, shown in ranked(summaries).items()
        if any(one["by_size"] for one in shown)
    ]


def _attacks_by_size(norm: str, shown: Summaries) -> Grid:
    name, factor, decimals = _NORMS[NORM_COLUMNS[norm]]
    sizes = [size for size in SIZES if any(size in one["by_size"] for one in shown)]
    rows = []
    for one in shown:
        cells = [label(one)]
        for size in sizes:
            found = one["by_size"].get(size)
            rate = f"{number(found['success8_rate'], 100, 1)} ({found['attacked']})" if found else "-"
            # A control may have been made in another norm than the attack it copies.
            same = found is not None and found["norm"] == NORM_COLUMNS[norm]
            cells += [rate, _median(found, factor, decimals) if found and same else "-"]
        rows.append(cells)
    header = ["attack", *(head for size in sizes for head in (f"{size}\n% (of)", f"{size}\n{name}"))]
    bounds = [f"{size} {share}" for size, share in _SHARES.items() if size in sizes]
    notes = [
        f"Success of the 8-bit file in % (of images attacked), and median {NORM_NAMES[norm]}, failures infinite.",
        *([f"Foreground of the valid pixels: {', '.join(bounds)}."] if bounds else []),
    ]
    return Grid(f"By size of the structure · {NORM_NAMES[norm]}", header, rows, notes)


def _median(one: Mapping[str, Any], factor: float, decimals: int) -> str:
    return number(one["median_norm_all"], factor, decimals, "inf" if one["attacked"] else "-")
