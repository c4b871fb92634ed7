"""The page's figures, as Plotly takes them, each with the numbers behind it as a table for those who do not look."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.report.figures.curve_figure import LINE_COLOURS
from benchmark.report.tables.table import TextTable
from benchmark.results.columns import NORM_COLUMNS, column
from benchmark.results.loaded import Results, Run
from benchmark.results.success_curves import Curve, Family, by_budget, families, success_by_norm, success_by_passes
from benchmark.results.traces import mean_curve, of_attack, per_image

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")
_NAMES = {"l1": "L1", "l2": "L2", "linf": "L∞ · 255"}
_SHARES = (0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Plot:
    """One figure.

    Attributes:
        key: in the page's addresses.
        title, caption: what is seen, and how to read it.
        data, layout: Plotly's.
        table: the same in numbers.
    """

    key: str
    title: str
    caption: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    table: TextTable


@dataclass(frozen=True)
class _Line:
    """A family of attacks of one run: colour by family, dashes by run."""

    label: str
    run: Run
    family: Family
    colour: str
    dash: str
    symbol: str

    @property
    def style(self) -> dict[str, Any]:
        return {"name": self.label, "line": {"color": self.colour, "dash": self.dash, "width": 2}}


def plots(results: Results) -> list[Plot]:
    """All figures that the runs and cards have something to show in."""
    lines = _lines(results.runs)
    swept = [line for line in lines if line.family.swept]
    free = [line for line in lines if not line.family.swept]
    norms = [norm for norm in ("2", "inf", "1") if norm in {line.family.norm or "2" for line in free}]
    found = [_over_norm(lines, results, norm) for norm in norms or ["2"]]
    found.append(_over_passes(lines, results))
    for norm in ("inf", "2", "1"):
        its = [line for line in swept if line.family.norm == norm]
        found += [_over_budgets(its, norm, what) for what in ("success_rate", "median_iou")] if its else []
    found += [_iou_over_steps(lines), _distribution(lines)]
    return [plot for plot in found if plot.data]


def _lines(runs: Sequence[Run]) -> list[_Line]:
    of_runs = [(index, run, family) for index, run in enumerate(runs) for family in families(run.rows)]
    numbers: dict[str, int] = {}
    for _, _, family in of_runs:
        numbers.setdefault(family.copied or family.name, len(numbers))
    lines = []
    for index, run, family in of_runs:
        number = numbers[family.copied or family.name]
        dash = _DASHES[(number // len(LINE_COLOURS) + index + (2 if family.copied else 0)) % len(_DASHES)]
        label = family.name if len(runs) == 1 else f"{family.name} · {run.label}"
        lines.append(
            _Line(label, run, family, LINE_COLOURS[number % len(LINE_COLOURS)], dash, _SYMBOLS[index % len(_SYMBOLS)])
        )
    return lines


def _over_norm(lines: Sequence[_Line], results: Results, norm: str) -> Plot:
    name = NORM_COLUMNS[norm]
    scale = 255 if name == "linf" else 1
    curves = [(line.style, success_by_norm(line.family, name)) for line in lines]
    title = f"Success by {_NAMES[name].split()[0]}"
    caption = (
        "Share of the attacked images whose 8-bit file succeeds with a perturbation of at most this norm; failures "
        "never do. Of an attack with several budgets, an image's best."
    )
    curves += _of_cards(results, name)
    return _steps(f"norm-{name}", title, caption, f"{_NAMES[name]} of the perturbation", curves, scale)


def _over_passes(lines: Sequence[_Line], results: Results) -> Plot:
    curves = [(line.style, success_by_passes(list(line.family.attacks.values())[-1])) for line in lines]
    caption = "The same over forward and backward passes, all of them counted; of several budgets, the largest."
    curves += _of_cards(results, "success_passes")
    return _steps("passes", "Success by passes", caption, "forward + backward passes", curves, 1)


def _of_cards(results: Results, name: str) -> list[tuple[dict[str, Any], Curve]]:
    found = []
    for index, card in enumerate(results.cards):
        known = card.curves.get(name)
        if known:
            x, share = np.array(known["x"], np.float64), np.array(known["share"], np.float64)
            colour = LINE_COLOURS[-1 - index % len(LINE_COLOURS)]
            style = {"name": f"{card.summary['attack']} · {card.label}", "line": {"color": colour, "dash": "dot"}}
            found.append((style, Curve(x, share, int(known["images"]))))
    return found


def _steps(
    key: str, title: str, caption: str, x_title: str, curves: Sequence[tuple[dict[str, Any], Curve]], scale: float
) -> Plot:
    shown = [(style, one) for style, one in curves if one.images]
    reached = np.concatenate([one.x[one.x > 0] for _, one in shown] or [np.zeros(0)]) * scale
    low, high = (reached.min() / 1.25, reached.max() * 1.25) if len(reached) else (0.1, 10.0)
    data = []
    for style, one in shown:
        # From the left edge at what is free of charge to the right edge, past which nothing more is known.
        x = np.concatenate([[low], np.maximum(one.x * scale, low), [high]])
        y = np.concatenate([[one.at(0)], one.share, [one.at(math.inf)]])
        line = style["line"] | {"shape": "hv"}
        data.append(_trace(style | {"line": line}, x, y) | {"hovertemplate": "%{y:.0%} at %{x:.4g}"})
    axis = {"title": {"text": x_title}, "type": "log", **_decades(low, high)}
    layout = {"xaxis": axis, "yaxis": _percentage("success, 8-bit")}
    rows = [
        [style["name"], *(_cost_of(one, share, scale) for share in _SHARES), f"{100 * one.at(math.inf):.1f}"]
        for style, one in shown
    ]
    header = ["", *(f"{x_title} at {100 * share:g} %" for share in _SHARES), "success, %"]
    return Plot(key, title, caption, data, layout, TextTable(title, header, rows))


def _cost_of(one: Curve, share: float, scale: float) -> str:
    reached = np.flatnonzero(one.share >= share - 1e-12)
    return f"{one.x[reached[0]] * scale:.4g}" if len(reached) else "inf"


def _over_budgets(lines: Sequence[_Line], norm: str, what: str) -> Plot:
    scale = 255 if norm == "inf" else 1
    budget = f"budget {_NAMES[NORM_COLUMNS[norm]]}"
    data, rows = [], []
    for line in lines:
        points = by_budget(line.family)
        x, y = [point.eps * scale for point in points], [getattr(point, what) for point in points]
        marker = {"symbol": line.symbol, "size": 8, "color": line.colour}
        data.append(_trace(line.style, x, y) | {"mode": "lines+markers", "marker": marker})
        rows.append([line.label, *("-" if value is None else f"{value:.3f}" for value in y)])
    ticks = sorted({value for trace in data for value in trace["x"]})
    axis = {"title": {"text": budget}, "type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    references = "/".join(sorted({"target" if by_budget(line.family)[0].targeted else "truth" for line in lines}))
    if what == "success_rate":
        title, y_axis = f"Success by {budget}", _percentage("success, float")
    else:
        title, y_axis = f"Median IoU to {references} by {budget}", {"title": {"text": "IoU"}, "range": [-0.03, 1.03]}
    caption = "Of the float results, which are within the budget; their files may exceed it by half a grey level."
    layout = {"xaxis": axis, "yaxis": y_axis}
    header = ["", *(f"{tick:g}" for tick in ticks)]
    return Plot(f"budget-{norm}-{what}", title, caption, data, layout, TextTable(title, header, rows))


def _iou_over_steps(lines: Sequence[_Line]) -> Plot:
    data, rows = [], []
    for line in lines:
        attack, its = list(line.family.attacks.items())[-1]
        if line.run.traces is None:
            continue
        chosen = per_image(of_attack(line.run.traces, attack))
        points = mean_curve(chosen, {row["id"]: row["steps"] for row in its})
        if points:
            x, y = [point["step"] for point in points], [point.get("iou") for point in points]
            data.append(_trace(line.style, x, y) | {"hovertemplate": "%{y:.3f} at step %{x}"})
            rows.append([line.label, *(f"{_value(y[k]):.3f}" for k in (0, len(y) // 4, len(y) // 2, -1)), f"{x[-1]}"])
    title = "IoU over steps"
    caption = (
        "Mean over images of the IoU to the map the attack was given (target, or truth if untargeted), in float; an "
        "image that has ended keeps its last value. Of several budgets, the largest."
    )
    layout = {"xaxis": {"title": {"text": "step"}}, "yaxis": {"title": {"text": "IoU"}, "range": [-0.03, 1.03]}}
    header = ["", "first", "after a quarter", "after half", "last", "steps"]
    return Plot("steps", title, caption, data, layout, TextTable(title, header, rows))


def _distribution(lines: Sequence[_Line]) -> Plot:
    data, rows = [], []
    for line in lines:
        its = list(line.family.attacks.values())[-1]
        name = "adv8_iou_target" if its[0]["targeted"] else "adv8_iou_truth"
        values = column(its, name)
        data.append({
            "type": "box", "name": line.label, "x": _rounded(values), "orientation": "h",
            "text": [str(row["id"]) for row in its],
            "boxpoints": "all" if len(values) <= 500 else "outliers", "jitter": 0.4, "pointpos": 0,
            "marker": {"color": line.colour, "size": 4, "symbol": line.symbol}, "line": {"width": 1.5},
            "hovertemplate": "%{text}: %{x:.3f}", "showlegend": False,
        })  # fmt: skip
        quartiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        rows.append([line.label, *(f"{value:.3f}" for value in quartiles)])
    targeted = {next(iter(line.family.attacks.values()))[0]["targeted"] for line in lines}
    reference = "target" if targeted == {True} else "truth" if targeted == {False} else "target or truth"
    title = f"IoU to {reference}, image by image"
    caption = "Of the 8-bit files; each point is an image. Of several budgets, the largest."
    layout = {
        "xaxis": {"title": {"text": f"IoU to {reference}"}, "range": [-0.03, 1.03]},
        "yaxis": {"autorange": "reversed"},
    }
    header = ["", "lowest", "quartile", "median", "quartile", "highest"]
    return Plot("distribution", title, caption, data, layout, TextTable(title, header, rows))


def _trace(style: Mapping[str, Any], x: Any, y: Any) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "x": _rounded(x), "y": _rounded(y), **style}


def _percentage(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "range": [-0.03, 1.03], "tickformat": ".0%"}


def _decades(low: float, high: float) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 of every power of ten between, or where that is too many at powers only."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high / low < 500 else (1,)
    ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]} if len(ticks) > 1 else {}


def _value(value: float | None) -> float:
    return math.nan if value is None else value


def _rounded(values: Any) -> list[float | None]:
    """Plain numbers with seven digits, None where there is none: what a picture can show, in little room."""
    listed = (math.nan if value is None else float(value) for value in values)
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in listed]
