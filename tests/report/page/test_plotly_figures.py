"""The figures as Plotly takes them: the same points, looks and axes."""

import json
import math
from pathlib import Path

import plotly.graph_objects as go
import pytest

from benchmark.report.figures.description import Axis, Figure, Line, Look
from benchmark.report.page.plotly_figures import to_plotly
from benchmark.report.tables.table import TextTable
from tests.made_run import random_rows
from tests.report.figures.drawn_figures import IDS, figures_of, sweep


def test_plotly_takes_every_figure(tmp_path: Path) -> None:
    found = figures_of(tmp_path, [*random_rows("asma", IDS), *sweep()], random_rows("dag", IDS, victim="fpn"))
    for figure in map(to_plotly, found.values()):
        go.Figure(figure["data"], figure["layout"])
        json.dumps(figure, allow_nan=False)


def test_points_and_names_are_those_of_the_figure(tmp_path: Path) -> None:
    for figure in figures_of(tmp_path, [*random_rows("asma", IDS), *sweep()]).values():
        shown = to_plotly(figure)
        assert [trace["name"] for trace in shown["data"]] == [look.label for look in figure.looks]
        for trace, line in zip(shown["data"], figure.lines, strict=False):
            assert trace["x"] == pytest.approx(line.x, rel=1e-6)
            assert trace["y"] == pytest.approx(line.y, rel=1e-6)
        for trace, box in zip(shown["data"], figure.boxes, strict=False):
            assert trace["x"] == pytest.approx(box.values, rel=1e-6)
            assert trace["text"] == box.names


def test_looks_and_axes() -> None:
    look = Look("a", "#0072B2", (3.0, 2.0), "triangle")
    lines = [Line(look=look, x=[1, 10], y=[0.5, math.nan], steps=True, marked=True)]
    x, y = Axis(title="L2", limits=(0.1, 100), ticks=(1, 10), log=True), Axis(title="", percent=True)
    shown = to_plotly(Figure(key="k", title="t", caption="c", x=x, y=y, lines=lines, table=TextTable("t", [], [])))
    (trace,) = shown["data"]
    assert trace["y"] == [0.5, None]
    assert trace["line"] == {"color": "#0072B2", "dash": "6px,4px", "width": 2, "shape": "hv"}
    assert trace["marker"]["symbol"] == "triangle-up"
    assert shown["layout"] == {
        "xaxis": {
            "title": {"text": "L2"},
            "type": "log",
            "range": [-1, 2],
            "tickvals": [1, 10],
            "ticktext": ["1", "10"],
        },
        "yaxis": {"tickformat": ".0%"},
    }
