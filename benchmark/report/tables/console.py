"""The tables that a run prints at its end: 80 columns wide for one attack, 100 for several."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.tables.comparison import comparison, transform_grids
from benchmark.report.tables.strata_table import strata_grids_of_one
from benchmark.report.tables.table import for_console, interval, number
from benchmark.results.summary import Summary
from benchmark.results.target_strata import target_note

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_COMPARISON_WIDTH = 100

# label, column of the summary, factor, decimals; a factor of 255 shows [0,1] values on the 8-bit scale
_SECTIONS: tuple[tuple[tuple[str, str, float, int], ...], ...] = (
    (
        ("IoU to target, clean", "clean_iou_target", 1, 3),
        ("IoU to target", "adv_iou_target", 1, 3),
        ("IoU to target, 8-bit", "adv8_iou_target", 1, 3),
        ("accuracy to target", "adv_pixel_acc_target", 1, 3),
        ("accuracy to target, 8-bit", "adv8_pixel_acc_target", 1, 3),
    ),
    (
        ("IoU to truth, clean", "clean_iou_truth", 1, 3),
        ("IoU to truth", "adv_iou_truth", 1, 3),
        ("IoU to truth, 8-bit", "adv8_iou_truth", 1, 3),
    ),
    (
        ("L2 *", "l2", 1, 3),
        ("L∞ · 255 *", "linf", 255, 2),
        ("RMS · 255 *", "rms", 255, 2),
        ("changed pixels, % *", "l0_share", 100, 1),
        ("PSNR, dB *", "psnr", 1, 1),
        ("SSIM *", "ssim", 1, 4),
    ),
    (
        ("steps", "steps", 1, 1),
        ("forward passes", "forwards", 1, 1),
        ("backward passes", "backwards", 1, 1),
        ("seconds", "seconds", 1, 2),
    ),
)


def print_summary(summary: Summary, console: "Console | None" = None) -> None:
    """Print one attack in detail, or compare several; `console` defaults to the standard output."""
    from rich.console import Console

    if console is None:
        console = Console()
        if len(summary.attacks) > 1:
            console.width = max(console.width, _COMPARISON_WIDTH)  # a wrapped line can be read, a truncated cell cannot
    if len(summary.attacks) == 1:
        console.print(summary_table(summary.attacks[0]), "")
        for grid in [*strata_grids_of_one(summary.attacks[0]), *transform_grids(summary.attacks)]:
            console.print(for_console(grid))
    elif summary.attacks:
        for grid in comparison(*summary):
            console.print(for_console(grid))


def summary_table(summary: Mapping[str, Any]) -> "Table":
    """One attack: mean ± sample standard deviation, median and 95 % interval of the main columns.

    IoU and accuracy describe the float32 result unless the label says 8-bit. Norms are over successes.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Rich would read square brackets in a str as markup.
    title, caption = Text(_title(summary), style="bold"), Text(_caption(summary), justify="left")
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for header in ("mean ± std", "median", "95 % interval"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_row(*_rate("success", summary, "success_rate"))
    table.add_row(*_rate("success, 8-bit", summary, "success8_rate"), end_section=True)
    for section in _SECTIONS:
        for label, column, factor, decimals in section:
            table.add_row(label, *_cells(summary[column], factor, decimals), end_section=label == section[-1][0])
    return table


def _rate(label: str, summary: Mapping[str, Any], key: str) -> tuple[str, str, str, str]:
    rate, bounds = summary[key], summary[f"{key}_ci95"]
    unit = " %" if rate is not None else ""
    return label, number(rate, 100, 1) + unit, "", interval(bounds, 100, 1) + unit


def _cells(statistics: Mapping[str, Any], factor: float, decimals: int) -> tuple[str, str, str]:
    mean = number(statistics["mean"], factor, decimals)
    if statistics["std"] is not None:
        mean += f" ± {number(statistics['std'], factor, decimals)}"
    return mean, number(statistics["median"], factor, decimals), interval(statistics["ci95"], factor, decimals)


def _title(summary: Mapping[str, Any]) -> str:
    images = summary["images"]
    parts = [summary["attack"], f"{images} image{'' if images == 1 else 's'}"]
    parts += [f"{name} {summary[name]}" for name in ("victim", "data", "split", "target") if summary[name]]
    return " · ".join(parts)


def _caption(summary: Mapping[str, Any]) -> str:
    lines = [
        f"Success: {summary['judge'] or 'the judge of the run'}.",
        f"Attacked: {summary['attacked']}; already satisfied, left out: {summary['already_satisfied']}.",
        f"Failed: {_failures(summary, 'success_rate')} in float, "
        f"{_failures(summary, 'success8_rate')} after rounding to 8 bits.",
        f"* over the {summary['l2']['count']} successes in float",
    ]
    if note := target_note(summary):
        lines.insert(3, note)
    if summary["nonfinite_gradient"]:
        lines.insert(3, f"Stopped early because a gradient was not finite: {summary['nonfinite_gradient']}.")
    if summary["no_gradient"]:
        lines.insert(3, f"Gradient zero at every step, so that the attack could not work: {summary['no_gradient']}.")
    return "\n".join(lines)


def _failures(summary: Mapping[str, Any], key: str) -> int:
    return summary["attacked"] - round((summary[key] or 0) * summary["attacked"])
