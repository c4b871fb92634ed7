"""Tables that compare the attacks of a run, sorted by success and then by norm."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.tables.budget_table import budget_grids
from benchmark.report.tables.strata_table import strata_grids
from benchmark.report.tables.table import NORM_UNITS, TextTable, interval, label, missing_median, number, success
from benchmark.report.tables.warm_start_table import warm_start_grids
from benchmark.report.tables.worst_case_table import worst_case_grids
from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.column_arrays import NORM_COLUMNS
from benchmark.results.erased_targets import judge_text
from benchmark.results.ranking import Summaries, by_norm, ranked
from benchmark.results.target_strata import target_note
from benchmark.results.truth_name import data_notes, truth_name
from benchmark.runs.row_schema import CLAIMED_NOTE
from benchmark.runs.victim_doubts import doubt_mark, doubt_notes


def comparison(summaries: Summaries, worst_case: Summaries, check: object = None) -> list[TextTable]:
    """All tables of several attacks: attacks, strata, budgets, warm starts, input transforms and worst cases.

    `check` is what the check of the victim has found, see `victim_doubts`.
    """
    return [
        *attack_grids(summaries, check),
        *strata_grids(summaries),
        *budget_grids(summaries),
        *warm_start_grids(summaries),
        *transform_grids(summaries),
        *worst_case_grids(worst_case),
    ]


def attack_grids(summaries: Summaries, check: object = None) -> list[TextTable]:
    """A table for each norm, in the order of `ranking.ranked`, which shows a sweep at its largest budget."""
    among = by_norm(summaries)
    return [_attack_grid(norm, shown, len(among[norm]), check) for norm, shown in ranked(summaries).items()]


def _attack_grid(norm: str, shown: Summaries, among: int, check: object) -> TextTable:
    references = ["truth"] if _untargeted(shown) else ["target", "truth"]
    named = {"target": "target", "truth": truth_name(shown)}
    norm_column = NORM_COLUMNS[norm]
    other = "linf" if norm_column == "l2" else "l2"
    header = [
        *("attack", "success\n%", "95 %\ninterval", f"{NORM_UNITS[norm_column][0]}\nmedian", "95 %\ninterval"),
        *(f"{NORM_UNITS[other][0]}\nmedian", "passes to\nsuccess", "passes\nspent"),
        *(f"IoU to\n{named[reference]}" for reference in references),
    ]
    rows = [
        [
            label(one),
            *success(one),
            _median(one, norm_column),
            interval(one[norm_column]["median_all8_ci95"], *NORM_UNITS[norm_column][1:]),
            _median(one, other),
            number(one["success_passes"]["median_all"], 1, 0, missing_median(one)),
            number(one["passes"]["median"], 1, 0),
            *(number(one[f"adv8_iou_{reference}"]["mean"], 1, 3) for reference in references),
        ]
        for one in shown
    ]
    return TextTable(_title(norm, shown, check), header, rows, [*doubt_notes(check), *_notes(norm, shown, among)])


def transform_grids(summaries: Summaries) -> list[TextTable]:
    """The mean IoU after input transforms that the attacks did not know of, for targeted and for untargeted attacks."""
    listed = [one for members in ranked(summaries).values() for one in members]
    grids = []
    for targeted, reference in ((True, "target"), (False, "truth")):
        shown = [one for one in listed if bool(one["targeted"]) == targeted and "input_transforms" in one]
        names = sorted({name for one in shown for name in one["input_transforms"]} - {"adaptive"})
        if names:
            score = f"iou_{reference}"
            rows = [[label(one), *_after(one, names, f"adv8_{score}", score)] for one in shown]
            if not targeted:
                rows.insert(0, ["clean images", *_after(shown[0], names, f"clean_{score}", f"clean_{score}")])
                reference = truth_name(shown)
            note = "The attacks did not know of the transforms. An attack that adapts to a transform may do better."
            notes = [note, *([] if targeted else data_notes(shown))]
            grids.append(
                TextTable(f"Mean IoU to {reference} after input transforms", ("attack", "none", *names), rows, notes)
            )
    return grids


def _untargeted(shown: Summaries) -> bool:
    return all(one["targeted"] is False for one in shown)


def _after(one: Mapping[str, Any], names: Sequence[str], without: str, score: str) -> list[str]:
    means = [one["input_transforms"].get(name, {}).get(score, {}).get("mean") for name in names]
    return [number(mean, 1, 3) for mean in (one[without]["mean"], *means)]


def _median(one: Mapping[str, Any], norm: str) -> str:
    return number(one[norm]["median_all8"], *NORM_UNITS[norm][1:], missing_median(one))


def _title(norm: str, shown: Summaries, check: object) -> str:
    images = sorted({one["images"] for one in shown})
    counted = f"{images[0]} to {images[-1]} images" if len(images) > 1 else f"{images[0]} image{'s' * (images[0] != 1)}"
    parts = [f"{len(shown)} attack{'s' * (len(shown) != 1)} by {NORM_NAMES[norm]}", counted]
    for name in ("victim", "data", "split", *([] if _untargeted(shown) else ["target"])):
        values = ", ".join(dict.fromkeys(one[name] for one in shown if one[name]))
        mark = doubt_mark(check) if name == "victim" else ""
        parts += [f"{name} {values} {mark}".rstrip()] if values else []
    return " · ".join(parts)


def _notes(norm: str, shown: Summaries, among: int) -> list[str]:
    judges = ", ".join(dict.fromkeys(map(judge_text, shown)))
    satisfied = max(one["already_satisfied"] for one in shown)
    notes = [
        f"Success: {judges}, for the 8-bit file. Already satisfied, left out: {satisfied}.",
        f"Sorted by success, then by {NORM_NAMES[norm]}. Norms and passes are medians, in which the norm of a failure "
        "and its passes to the first success are infinite.",
        "Passes spent cannot be compared between attacks that stop at their first success and attacks that go on.",
        "Norms and IoU are of the 8-bit file; IoU is the mean over all images.",
        CLAIMED_NOTE,
        *data_notes(shown),
    ]
    notes += dict.fromkeys(note for one in shown if (note := target_note(one)))
    if len(shown) < among:
        notes.append("An attack with several budgets is shown at the largest; the tables below have the others.")
    copied = sorted({one["equal_norm"] for one in shown if one["equal_norm"]})
    if copied:
        notes.append(f"† A control: every image gets the norm that it has after {', '.join(copied)}.")
    return notes
