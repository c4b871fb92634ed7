"""The figures as a PNG: a panel for each of them."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from benchmark.report.figures.figure_file import draw_figures, save_figures
from benchmark.report.figures.looks import COLOURS
from tests.example_rows import row
from tests.report.figures.drawn_figures import figures_of, four_rows, sweep


def test_a_panel_for_each_figure(tmp_path: Path) -> None:
    found = figures_of(tmp_path, [*four_rows("asma"), *sweep()])
    drawn = draw_figures(list(found.values()), "title")
    assert [axes.get_title(loc="left").replace("\n", " ") for axes in drawn.axes] == [
        figure.title for figure in found.values()
    ]
    for axes, figure in zip(drawn.axes, found.values(), strict=True):
        assert (axes.get_xlabel(), axes.get_ylabel()) == (figure.x.title, figure.y.title)
        assert [text.get_text() for text in axes.texts] == [figure.note] * bool(figure.note)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["asma", "pgd"]


@pytest.mark.parametrize(
    "title", ["a scenario of a victim and its data with a seed", "unet_$1" * 30], ids=["words", "one word"]
)
def test_a_long_title_stays_above_its_own_panel(tmp_path: Path, title: str) -> None:
    figures = [replace(figure, title=title) for figure in figures_of(tmp_path, four_rows("asma")).values()][:6]
    drawn = draw_figures(figures)
    drawn.canvas.draw()
    boxes = [axes._left_title.get_window_extent() for axes in drawn.axes]  # type: ignore[attr-defined]
    assert all(box.x0 >= 0 and box.x1 <= drawn.bbox.x1 and box.y1 <= drawn.bbox.y1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_lines_go_through_the_points(tmp_path: Path) -> None:
    found = figures_of(tmp_path, [*four_rows("asma"), *sweep()])
    panels = dict(zip(found, draw_figures(list(found.values())).axes, strict=True))
    for key in ("norm-l2", "passes", "budget-inf-success_rate", "steps"):
        for line, expected in zip(panels[key].lines, found[key].lines, strict=True):
            assert list(line.get_xdata()) == list(expected.x)
            assert list(line.get_ydata()) == list(expected.y)
            assert line.get_color() == expected.look.colour
            assert (line.get_drawstyle() == "steps-post") == expected.steps
    ticks = [label.get_text() for label in panels["budget-inf-success_rate"].get_xticklabels()]
    assert ticks == ["1", "2", "4"]


@pytest.mark.parametrize(
    "changes",
    [{"success8": False}, {"success_clean": True}, {"norm": None, "eps": None}, {"family": "$x_1$"}, {"l2": 0.0}],
    ids=str,
)
def test_draws_unusual_rows(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = figures_of(tmp_path / "runs", [row("a", **changes), row("b", **changes)])
    path = save_figures(tmp_path / "c.png", list(found.values()), title="$a_1")
    assert Image.open(path).size[0] > 1000
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["c.png"]


def test_lines_are_seen(tmp_path: Path) -> None:
    figures = list(figures_of(tmp_path, four_rows("asma")).values())
    picture = np.asarray(Image.open(save_figures(tmp_path / "c.png", figures)).convert("RGB")) / 255
    assert (np.abs(picture - to_rgb(COLOURS[0])).max(-1) < 0.02).sum() > 1000


def test_no_figures_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="curves: no figures"):
        save_figures(tmp_path / "c.png", [])
    assert list(tmp_path.iterdir()) == []
