"""Figures as one PNG: a panel for each, and one legend for all."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.atomic_files import atomic_path
from benchmark.report.figures.description import Figure, Line, Look
from benchmark.report.figures.looks import MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing
    from matplotlib.lines import Line2D

_INK, _PALE, _GRID = "#222222", "#777777", "#E4E4E4"
_ACROSS = 3  # panels beside each other
_TITLE = 44  # letters of a line of a panel's title
# In inches: a panel, a line of the legend, the least width of its entries, and a letter.
_WIDTH, _HEIGHT, _LEGEND_LINE, _LEGEND_ENTRY, _LETTER = 4.3, 3.1, 0.21, 2.1, 0.075


def save_figures(path: Path, figures: Sequence[Figure], title: str = "", dpi: int = 150) -> Path:
    """Draw all figures into a PNG, written whole or not at all. Raises ValueError if there are none."""
    drawing = draw_figures(figures, title)
    with atomic_path(path) as temporary:
        drawing.savefig(temporary, format="png", dpi=dpi, facecolor="white")
    return path


def draw_figures(figures: Sequence[Figure], title: str = "") -> "Drawing":
    """A matplotlib figure with a panel for each of `figures`. Raises ValueError if there are none."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    if not figures:
        raise ValueError("curves: no figures to draw")
    handles = _legend_handles(figures)
    across = 2 if len(figures) == 4 else min(_ACROSS, len(figures))
    down = -(-len(figures) // across)
    longest = max(len(str(handle.get_label())) for handle in handles)
    entries = max(1, int(across * _WIDTH // max(_LEGEND_ENTRY, 0.7 + _LETTER * longest)))
    below = _LEGEND_LINE * -(-len(handles) // entries) + 0.1
    height = down * _HEIGHT + below + (0.4 if title else 0.1)
    drawing = Drawing(figsize=(across * _WIDTH, height))
    FigureCanvasAgg(drawing)
    if title:
        # A $ in a name must not start a formula.
        y = 1 - 0.2 / height
        drawing.text(0.01, y, title, fontsize=11, fontweight="bold", color=_INK, va="center", parse_math=False)
    for number, figure in enumerate(figures):
        left, bottom = number % across, down - 1 - number // across
        box = (left * _WIDTH + 0.75, below + bottom * _HEIGHT + 0.55, _WIDTH - 0.95, _HEIGHT - 1.05)
        axes = drawing.add_axes((box[0] / across / _WIDTH, box[1] / height, box[2] / across / _WIDTH, box[3] / height))
        _draw(axes, figure)
    legend = drawing.legend(handles=handles, loc="lower left", ncols=entries, frameon=False, fontsize=9, handlelength=3)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return drawing


def _draw(axes: "Axes", figure: Figure) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_PALE)
    axes.tick_params(which="both", colors=_INK, labelsize=8.5)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    # Each line is a little thinner than the one below it, so that none hides another that is the same.
    for line, width in zip(figure.lines, np.linspace(2.7, 1.5, len(figure.lines)), strict=True):
        axes.plot(line.x, line.y, **_line_style(line, width))
    if figure.boxes:
        _draw_boxes(axes, figure)
    _scale(axes, figure)
    # Two lines have room above a panel; the caption has the whole of what does not fit.
    lines = wrap(figure.title, _TITLE, max_lines=2, placeholder=" …")
    size, pad = 10 if len(lines) == 1 else 9, 16 if figure.note else 6
    axes.set_title("\n".join(lines), fontsize=size, color=_INK, loc="left", pad=pad, parse_math=False)
    if figure.note:
        axes.text(0, 1.02, figure.note, transform=axes.transAxes, fontsize=8, color=_PALE)
    axes.set_xlabel(figure.x.title, fontsize=9, color=_INK)
    axes.set_ylabel(figure.y.title, fontsize=9, color=_INK)


def _line_style(line: Line, width: float) -> dict[str, Any]:
    style = _style(line.look) | {"linewidth": width / 2 if line.thin else width, "alpha": 0.75 if line.thin else 1.0}
    marker = {"marker": MARKERS[line.look.marker][1], "markersize": 4.5} if line.marked else {}
    return style | marker | ({"drawstyle": "steps-post"} if line.steps else {})


def _draw_boxes(axes: "Axes", figure: Figure) -> None:
    drawn = axes.boxplot([box.values for box in figure.boxes], orientation="horizontal", widths=0.6)
    for index, box in enumerate(figure.boxes):
        ends = slice(2 * index, 2 * index + 2)  # whiskers and caps come in pairs
        for part in (drawn["boxes"][index], drawn["medians"][index], *drawn["whiskers"][ends], *drawn["caps"][ends]):
            part.set_color(box.look.colour)
        drawn["fliers"][index].set(markeredgecolor=box.look.colour, markersize=3)
        drawn["boxes"][index].set_linestyle(_style(box.look)["linestyle"])
    axes.invert_yaxis()
    axes.set_yticks([])  # the legend has the names, in the same order


def _scale(axes: "Axes", figure: Figure) -> None:
    from matplotlib.ticker import MultipleLocator, NullFormatter, PercentFormatter

    for name, axis, side in (("x", figure.x, axes.xaxis), ("y", figure.y, axes.yaxis)):
        if axis.log:
            axes.set(**{f"{name}scale": "log"})
            side.set_minor_formatter(NullFormatter())
        if axis.limits is not None:
            axes.set(**{f"{name}lim": axis.limits})
        if axis.ticks:
            side.set_ticks(list(axis.ticks), [f"{tick:g}" for tick in axis.ticks])
            side.set_ticks([], minor=True)
        if axis.percent:
            side.set_major_locator(MultipleLocator(0.25))
            side.set_major_formatter(PercentFormatter(1, symbol=" %"))


def _legend_handles(figures: Sequence[Figure]) -> "list[Line2D]":
    """One for each label, in the order in which they first occur."""
    from matplotlib.lines import Line2D

    marked = {line.look.label for figure in figures for line in figure.lines if line.marked}
    looks = {look.label: look for figure in figures for look in figure.looks}
    return [
        Line2D(
            [], [], linewidth=2, markersize=5, marker=MARKERS[look.marker][1] if label in marked else "", **_style(look)
        )
        for label, look in looks.items()
    ]


def _style(look: Look) -> dict[str, Any]:
    return {"color": look.colour, "label": look.label, "linestyle": (0, look.dashes) if look.dashes else "-"}
