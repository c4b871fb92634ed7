"""Figures of success: over the norm of the perturbation, over passes, over the budget."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.report.figures.description import Axis, Figure, Line, Look
from benchmark.report.figures.looks import FamilyOfRun, families_of, looks_of_cards
from benchmark.report.tables.table import NORM_UNITS, TextTable
from benchmark.results.column_arrays import NORM_COLUMNS
from benchmark.results.loaded_runs import Results
from benchmark.results.success_curves import Curve, by_budget, success_by_norm, success_by_passes
from benchmark.results.truth_name import truth_name

UNIT = (-0.03, 1.03)
"""Limits of an axis of shares or scores: lines at 0 and at 1 are not cut."""

_SHARES = (0.25, 0.5, 0.75, 0.9)
_MANY_DECADES = 500  # the ratio of an axis' ends beyond which only powers of ten are labelled
_FEW_TICKS = 3  # below which an axis gets a finer series
_SERIES = ((1, 2, 5), (1, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9))


def success_over_norms(results: Results) -> list[Figure]:
    """One figure for each norm that an attack without a sweep of budgets is about, L2 if there is no such attack."""
    drawn = families_of(results.runs)
    norms = {one.family.norm or "2" for one in drawn if not one.family.swept}
    return [_over_norm(drawn, results, norm) for norm in ("2", "inf", "1") if norm in (norms or {"2"})]


def _over_norm(drawn: Sequence[FamilyOfRun], results: Results, norm: str) -> Figure:
    name = NORM_COLUMNS[norm]
    unit, scale, _ = NORM_UNITS[name]
    curves = [(one.look, success_by_norm(one.family, name)) for one in drawn]
    thin = {one.look.label for one in drawn if one.family.norm not in (norm, None)}
    notes = ["of several budgets the best"] if any(one.family.swept for one in drawn) else []
    notes += ["thin: attacks on other norms"] if thin else []
    return _success(
        [*curves, *_of_cards(results, name)],
        key=f"norm-{name}",
        title=f"Success by {unit.split()[0]}",
        caption="Share of the attacked images whose 8-bit file succeeds with a perturbation of at most this norm; "
        "failures never do.",
        note="; ".join(notes),
        x_title=f"{unit} of the perturbation",
        scale=scale,
        thin=thin,
    )


def success_over_passes(results: Results) -> list[Figure]:
    """Success over forward and backward passes; of a sweep of budgets, that of the largest."""
    drawn = families_of(results.runs)
    curves = [(one.look, success_by_passes(list(one.family.attacks.values())[-1])) for one in drawn]
    return [
        _success(
            [*curves, *_of_cards(results, "success_passes")],
            key="passes",
            title="Success by passes",
            caption="Share of the attacked images whose 8-bit file succeeds after so many forward and backward passes.",
            note=note_of_sweeps(drawn),
            x_title="forward + backward passes",
        )
    ]


def note_of_sweeps(drawn: Sequence[FamilyOfRun]) -> str:
    """The note of a figure that shows a sweep at its largest budget; empty without a sweep."""
    return "of several budgets the largest" if any(one.family.swept for one in drawn) else ""


def over_budgets(results: Results) -> list[Figure]:
    """For each norm in which budgets were swept: success, and the median IoU, at each of them."""
    swept = [one for one in families_of(results.runs) if one.family.swept]
    by_norm = {norm: [one for one in swept if one.family.norm == norm] for norm in ("inf", "2", "1")}
    measures = ("success_rate", "median_iou")
    return [_over_budgets(drawn, norm, what) for norm, drawn in by_norm.items() if drawn for what in measures]


def _over_budgets(drawn: Sequence[FamilyOfRun], norm: str, what: str) -> Figure:
    scale = 255 if norm == "inf" else 1
    budget = f"budget {NORM_UNITS[NORM_COLUMNS[norm]][0]}"
    lines, rows, ticks, references = [], [], set(), set()
    for one in drawn:
        points = by_budget(one.family)
        values = [getattr(point, what) for point in points]
        x = [point.eps * scale for point in points]
        lines.append(Line(look=one.look, x=x, y=[math.nan if v is None else v for v in values], marked=True))
        rows.append([one.look.label, *("-" if value is None else f"{value:.3f}" for value in values)])
        ticks |= set(x)
        references.add("target" if points[0].targeted else truth_name(one.run.rows))
    if what == "success_rate":
        title, y = f"Success by {budget}", Axis(title="success, float", limits=UNIT, percent=True)
    else:
        title = f"Median IoU to {'/'.join(sorted(references))} by {budget}"
        y = Axis(title="IoU, float", limits=UNIT)
    return Figure(
        key=f"budget-{norm}-{what}",
        title=title,
        caption="Of the float results, which are within the budget; their files may exceed it by half a grey level.",
        x=Axis(title=budget, ticks=sorted(ticks), log=True),
        y=y,
        lines=lines,
        table=TextTable(title, ["", *(f"{tick:g}" for tick in sorted(ticks))], rows),
    )


def _of_cards(results: Results, name: str) -> list[tuple[Look, Curve]]:
    curves = []
    for look, card in zip(looks_of_cards(results.cards), results.cards, strict=True):
        if one := card.curves.get(name):
            x, share = np.array(one["x"], np.float64), np.array(one["share"], np.float64)
            curves.append((look, Curve(x, share, int(one["images"]))))
    return curves


def _success(
    curves: Sequence[tuple[Look, Curve]],
    *,
    key: str,
    title: str,
    caption: str,
    note: str,
    x_title: str,
    scale: float = 1,
    thin: frozenset[str] | set[str] = frozenset(),
) -> Figure:
    """Step functions over costs, which are multiplied by `scale`; the labels in `thin` are drawn as thin lines."""
    shown = [(look, one) for look, one in curves if one.images]
    reached = np.concatenate([one.x[one.x > 0] for _, one in shown] or [np.zeros(0)]) * scale
    low, high = (float(reached.min()) / 1.25, float(reached.max()) * 1.25) if len(reached) else (0.1, 10.0)
    rows = [
        [look.label, *(_cost_of(one, share, scale) for share in _SHARES), f"{100 * one.at(math.inf):.1f}"]
        for look, one in shown
    ]
    header = ["", *(f"{x_title} at {100 * share:g} %" for share in _SHARES), "success, %"]
    return Figure(
        key=key,
        title=title,
        caption=caption,
        note=note,
        x=Axis(title=x_title, limits=(low, high), ticks=decades(low, high), log=True),
        y=Axis(title="success, 8-bit", limits=UNIT, percent=True),
        lines=[_steps(look, one, (low, high), scale, look.label in thin) for look, one in shown],
        table=TextTable(title, header, rows),
    )


def _steps(look: Look, curve: Curve, limits: tuple[float, float], scale: float, thin: bool) -> Line:
    low, high = limits
    # The line starts at the left edge with the share that costs nothing and ends at the right edge with the last share.
    x: NDArray[np.float64] = np.concatenate([[low], np.maximum(curve.x * scale, low), [high]])
    y: NDArray[np.float64] = np.concatenate([[curve.at(0)], curve.share, [curve.at(math.inf)]])
    return Line(look=look, x=x.tolist(), y=y.tolist(), steps=True, thin=thin)


def _cost_of(curve: Curve, share: float, scale: float) -> str:
    reached = np.flatnonzero(curve.share >= share - 1e-12)
    return f"{curve.x[reached[0]] * scale:.4g}" if len(reached) else "inf"


def decades(low: float, high: float) -> list[float]:
    """Ticks between two positive numbers: 1, 2 and 5 times each power of ten.

    A long axis has the powers alone, a short one a finer series.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for series in _SERIES if high / low < _MANY_DECADES else ((1,),):
        ticks = [tick for power in powers for digit in series if low <= (tick := digit * 10.0**power) <= high]
        if len(ticks) >= _FEW_TICKS:
            break
    return ticks
