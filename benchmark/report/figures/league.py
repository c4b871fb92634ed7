"""Figures of a league: the images that are not reached yet, by norm, and by the ratio to the envelope."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmark.report.figures.description import Axis, Figure, Line, Look
from benchmark.report.figures.looks import COLOURS, families_of
from benchmark.report.figures.success import UNIT, decades
from benchmark.report.tables.league_table import field_title, league_title
from benchmark.report.tables.table import NORM_UNITS, TextTable, number
from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.league import Field, League
from benchmark.results.loaded_runs import Run
from benchmark.results.optimality import curve_points
from benchmark.results.success_curves import Curve, curve

_ENVELOPE = Look("envelope", "#777777", (), "circle")
_PRESET = (4.0, 1.0)  # dashes of attacks that are ranked as one
_PARTS = (0.25, 0.5, 0.75, 1)
_RATIOS = (1, 1.05, 1.1, 1.3, 2)
_LARGEST_RATIO = 100


def league_figures(leagues: Sequence[League], runs: Sequence[Run]) -> list[Figure]:
    """For each league the images not reached within a norm, scenario by scenario; of several also within a ratio.

    `runs` are all that are shown together, which gives an attack its colour in every figure.
    """
    looks: dict[str, Look] = {}  # of an attack in several runs, that in the first one: a figure shows it once
    for one in families_of(runs):
        for attack in one.family.attacks:
            looks.setdefault(attack, replace(one.look, label=attack))
    for preset in dict.fromkeys(name for one in leagues for field in one.fields for name in field.attacks):
        looks.setdefault(preset, Look(preset, COLOURS[len(looks) % len(COLOURS)], _PRESET, "diamond"))
    drawn = []
    for index, league in enumerate(leagues):
        if len(league.decided) > 1:
            drawn.append(_by_ratio(league, f"league-{index}-ratio", looks))
        for place, field in enumerate(league.fields):
            if field.needing.any():
                drawn.append(_by_norm(league, field, f"league-{index}-{place}", looks))
    return drawn


def _by_norm(league: League, field: Field, key: str, looks: Mapping[str, Look]) -> Figure:
    name, scale, _ = NORM_UNITS[league.terms.column]
    most = float(field.envelope.max())
    shown = [(_ENVELOPE, field.envelope)]
    shown += [(looks[attack], field.norms[:, k]) for k, attack in enumerate(field.attacks)]
    lines, rows = [], []
    optimality = {one.attack: one.optimality for one in field.standings}
    for look, norms in shown:
        x, y = curve_points(norms, most)
        lines.append(Line(look=look, x=(x * scale).tolist(), y=y.tolist(), thin=look is _ENVELOPE))
        left = [float((norms > most * part * (1 + 1e-6)).mean()) for part in _PARTS]
        rows.append([look.label, *(f"{100 * share:.1f}" for share in left), number(optimality.get(look.label), 1, 3)])
    title = f"{NORM_NAMES[league.terms.norm]} league: {field_title(field)}"
    header = ["left, %, at", *(f"{name} {most * part * scale:.4g}" for part in _PARTS), "optimality"]
    return Figure(
        key=key,
        title=title,
        caption=f"{league_title(league)}. Share of the images that are not reached within a norm, up to the largest "
        "norm of the envelope. The area between a line and the envelope is what an attack lacks.",
        x=Axis(title=f"{name} of the perturbation", limits=(0.0, 1.02 * most * scale)),
        y=Axis(title="not reached", limits=UNIT, percent=True),
        lines=lines,
        table=TextTable(title, header, rows),
    )


def _by_ratio(league: League, key: str, looks: Mapping[str, Look]) -> Figure:
    ratios: dict[str, list[float]] = {}
    for field in league.decided:
        for k, attack in enumerate(field.attacks):
            own = field.norms[field.needing, k] / field.envelope[field.needing]
            ratios.setdefault(attack, []).extend(own.tolist())
    curves = {attack: curve(np.array(ratios[attack])) for attack in sorted(ratios)}
    largest = max([2.0, *(float(one.x[-1]) for one in curves.values() if len(one.x))])
    limits = (1.0, min(largest * 1.05, _LARGEST_RATIO))
    title = f"{NORM_NAMES[league.terms.norm]} league: ratio to the envelope"
    rows = [
        [attack, *(f"{100 * (1 - one.at(ratio * (1 + 1e-6))):.1f}" for ratio in _RATIOS)]
        for attack, one in curves.items()
    ]
    return Figure(
        key=key,
        title=title,
        caption=f"{league_title(league)}. Share of the images of all scenarios that are not reached within a multiple "
        "of the smallest norm that any attack reaches.",
        x=Axis(title="norm / envelope", limits=limits, ticks=decades(*limits), log=True),
        y=Axis(title="not reached", limits=UNIT, percent=True),
        lines=[_falling(looks[attack], one, limits) for attack, one in curves.items()],
        table=TextTable(title, ["left, %, at a ratio of", *(f"{ratio:g}" for ratio in _RATIOS)], rows),
    )


def _falling(look: Look, one: Curve, limits: tuple[float, float]) -> Line:
    x = np.concatenate([[limits[0]], np.clip(one.x, *limits), [limits[1]]])
    y = 1 - np.concatenate([[one.at(limits[0])], one.share, [one.at(math.inf)]])
    return Line(look=look, x=x.tolist(), y=y.tolist(), steps=True)
