"""The tables that a run prints at its end: in detail for one attack, compared for several."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.tables.comparison import comparison, transform_grids
from benchmark.report.tables.strata_table import strata_grids_of_one
from benchmark.report.tables.table import TextTable, interval, number, print_tables
from benchmark.results.erased_targets import judge_text
from benchmark.results.summary import Summary
from benchmark.results.target_strata import target_note
from benchmark.results.truth_name import BY_DEFINITION, data_notes, is_predicted, truth_name
from benchmark.runs.row_schema import CLAIMED_NOTE
from benchmark.runs.victim_doubts import doubt_mark, doubt_notes

if TYPE_CHECKING:
    from rich.console import Console

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


def print_summary(summary: Summary, console: "Console | None" = None, check: object = None) -> None:
    """Print one attack in detail, or compare several.

    `console` defaults to the standard output; `check` is what the check of the victim has found, see `victim_doubts`.
    """
    attacks = summary.attacks
    if len(attacks) == 1:
        print_tables(
            [_detailed(attacks[0], check), *strata_grids_of_one(attacks[0]), *transform_grids(attacks)], console
        )
    elif attacks:
        print_tables(comparison(*summary, check), console)


def _detailed(summary: Mapping[str, Any], check: object) -> TextTable:
    """One attack: mean ± sample standard deviation, median and 95 % interval of the main columns.

    IoU and accuracy describe the float32 result unless the label says 8-bit. Norms are over successes.
    """
    rows = [_rate("success", summary, "success_rate"), _rate("success, 8-bit", summary, "success8_rate")]
    truth = truth_name([summary])
    for section in _SECTIONS:
        rows.append(())
        for name, key, factor, decimals in section:
            given = key == "clean_iou_truth" and is_predicted(summary)
            cells = (BY_DEFINITION, "", "") if given else _cells(summary[key], factor, decimals)
            rows.append((name.replace("truth", truth), *cells))
    images = summary["images"]
    parts = [summary["attack"], f"{images} image{'' if images == 1 else 's'}"]
    marks = {"victim": f" {doubt_mark(check)}".rstrip()}
    named = [name for name in ("victim", "data", "split", "target") if summary[name]]
    parts += [f"{name} {summary[name]}{marks.get(name, '')}" for name in named]
    notes = [*doubt_notes(check), *_notes(summary)]
    return TextTable(" · ".join(parts), ("", "mean ± std", "median", "95 % interval"), rows, notes)


def _rate(label: str, summary: Mapping[str, Any], key: str) -> tuple[str, ...]:
    rate, bounds = summary[key], summary[f"{key}_ci95"]
    unit = " %" if rate is not None else ""
    return label, number(rate, 100, 1) + unit, "", interval(bounds, 100, 1) + unit


def _cells(statistics: Mapping[str, Any], factor: float, decimals: int) -> tuple[str, str, str]:
    mean = number(statistics["mean"], factor, decimals)
    if statistics["std"] is not None:
        mean += f" ± {number(statistics['std'], factor, decimals)}"
    return mean, number(statistics["median"], factor, decimals), interval(statistics["ci95"], factor, decimals)


def _notes(summary: Mapping[str, Any]) -> list[str]:
    notes = [
        f"Success: {judge_text(summary)}.",
        f"Attacked: {summary['attacked']}; already satisfied, left out: {summary['already_satisfied']}.",
        f"Failed: {_failures(summary, 'success_rate')} in float, "
        f"{_failures(summary, 'success8_rate')} after rounding to 8 bits.",
    ]
    if summary["no_gradient"]:
        notes.append(f"Gradient zero at every step, so that the attack could not work: {summary['no_gradient']}.")
    if summary["nonfinite_gradient"]:
        notes.append(f"Stopped early because a gradient was not finite: {summary['nonfinite_gradient']}.")
    if note := target_note(summary):
        notes.append(note)
    notes += [CLAIMED_NOTE, *data_notes([summary])]
    return [*notes, f"* over the {summary['l2']['count']} successes in float"]


def _failures(summary: Mapping[str, Any], key: str) -> int:
    return summary["attacked"] - round((summary[key] or 0) * summary["attacked"])
