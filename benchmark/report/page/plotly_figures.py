"""Figures as Plotly takes them."""

import math
from collections.abc import Iterable
from typing import Any

from benchmark.report.figures.description import Axis, Box, Figure, Line, Look
from benchmark.report.figures.looks import MARKERS

_WIDTH = 2
_MOST_POINTS = 500  # images up to which a box shows each of them


def to_plotly(figure: Figure) -> dict[str, Any]:
    """{"key", "data", "layout"} of one figure: plain values that JSON can hold, numbers with seven digits."""
    hover = f"%{{y:{'.0%' if figure.y.percent else '.3f'}}} at %{{x:.4g}}"
    data = [_line(line, hover) for line in figure.lines] + [_box(box) for box in figure.boxes]
    y = _axis(figure.y) | ({"autorange": "reversed"} if figure.boxes else {})
    return {"key": figure.key, "data": data, "layout": {"xaxis": _axis(figure.x), "yaxis": y}}


def _line(line: Line, hover: str) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if line.marked else "lines",
        "name": line.look.label,
        "x": _rounded(line.x),
        "y": _rounded(line.y),
        "line": _stroke(line.look, _WIDTH / 2 if line.thin else _WIDTH) | ({"shape": "hv"} if line.steps else {}),
        "hovertemplate": hover,
    }
    return trace | ({"marker": _marker(line.look, 8)} if line.marked else {})


def _box(box: Box) -> dict[str, Any]:
    return {
        "type": "box",
        "orientation": "h",
        "name": box.look.label,
        "showlegend": False,
        "x": _rounded(box.values),
        "text": list(box.names),
        "hovertemplate": "%{text}: %{x:.3f}",
        "boxpoints": "all" if len(box.values) <= _MOST_POINTS else "outliers",
        "jitter": 0.4,
        "pointpos": 0,
        "line": {"width": 1.5},
        "marker": _marker(box.look, 4),
    }


def _stroke(look: Look, width: float) -> dict[str, Any]:
    dash = ",".join(f"{width * length:g}px" for length in look.dashes) or "solid"
    return {"color": look.colour, "dash": dash, "width": width}


def _marker(look: Look, size: int) -> dict[str, Any]:
    return {"symbol": MARKERS[look.marker][0], "size": size, "color": look.colour}


def _axis(axis: Axis) -> dict[str, Any]:
    layout: dict[str, Any] = {"title": {"text": axis.title}} if axis.title else {}
    if axis.log:
        layout["type"] = "log"
    if axis.limits is not None:
        layout["range"] = [math.log10(end) if axis.log else end for end in axis.limits]
    if axis.ticks:
        layout |= {"tickvals": list(axis.ticks), "ticktext": [f"{tick:g}" for tick in axis.ticks]}
    if axis.percent:
        layout["tickformat"] = ".0%"
    return layout


def _rounded(values: Iterable[float]) -> list[float | None]:
    """Numbers with seven digits, which a picture needs at most; None for NaN and infinities, which JSON cannot hold."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in map(float, values)]
