"""The picture of the curves: one panel per question, and one legend for all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.atomic_files import atomic_path
from benchmark.report.figures.curve_panels import INK, PALE, Line, draw_budgets, draw_norm, draw_passes
from benchmark.results.success_curves import Family, families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colour-blind-safe colours that can be seen on white; those after the first seven are told by dots.
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#56B4E9", "#E69F00")
_STYLES: tuple[Any, ...] = ("-", (0, (5, 1.2, 1, 1.2)), (0, (1, 1)))
_CONTROL: Any = (0, (3, 2))
_MARKERS = "osD^vPX"

_ACROSS, _WIDTH, _HEIGHT, _LEGEND_LINE, _LEGEND_ENTRY, _LETTER = 3, 4.3, 3.1, 0.21, 2.1, 0.075  # inches, but the first


def draw_curves(path: Path, rows: Iterable[Mapping[str, Any]], title: str = "", dpi: int = 150) -> Path:
    """Draw the curves of a run's rows into a PNG, written whole or not at all. Raises ValueError without rows.

    A panel per norm that an attack without a sweep of budgets is about, one over passes, and two over the budget for
    each norm in which budgets were swept. A control, which copies another attack's norm, is dashed in its colour.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    lines = _lines(families(rows))
    if not lines:
        raise ValueError("curves: no rows to draw")
    figure = _layout(lines, _panels(lines), title)
    FigureCanvasAgg(figure)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, facecolor="white")
    return path


def _lines(found: Sequence[Family]) -> list[Line]:
    attacks = [family.name for family in found if family.copied is None]
    numbers = {name: number for number, name in enumerate(attacks)}
    by_norm = not all(family.swept for family in found)
    lines = []
    for family in found:
        # A control of an attack that is not among these has a colour of its own.
        number = numbers.setdefault(family.copied or family.name, len(numbers))
        style = _STYLES[number // len(LINE_COLOURS) % len(_STYLES)] if family.copied is None else _CONTROL
        look = {"color": LINE_COLOURS[number % len(LINE_COLOURS)], "linestyle": style, "label": _label(family, by_norm)}
        # So that lines of one colour differ in their markers too.
        lines.append(Line(family, look, _MARKERS[(number + 3 * (number // len(LINE_COLOURS))) % len(_MARKERS)]))
    return lines


def _label(family: Family, by_norm: bool) -> str:
    # A sweep's curve over the norm may take any of its budgets, unlike an attack that ran but once.
    return f"{family.name} (best of {len(family.attacks)} budgets)" if by_norm and family.swept else family.name


def _panels(lines: Sequence[Line]) -> list[Callable[["Axes"], None]]:
    swept = [line for line in lines if line.family.swept]
    free = [line for line in lines if not line.family.swept]
    return [
        *(partial(draw_norm, lines=lines, norm=norm) for norm in _norms(free)),
        partial(draw_passes, lines=lines),
        *(
            partial(draw_budgets, lines=swept, norm=norm, what=what)
            for norm in _norms(swept)
            for what in ("success_rate", "median_iou")
        ),
    ]


def _norms(lines: Sequence[Line]) -> list[str]:
    used = {line.family.norm or "2" for line in lines}
    return [norm for norm in ("2", "inf", "1") if norm in used]


def _layout(lines: Sequence[Line], panels: Sequence[Callable[["Axes"], None]], title: str) -> "Figure":
    from matplotlib.figure import Figure

    across = 2 if len(panels) == 4 else min(_ACROSS, len(panels))
    down = -(-len(panels) // across)
    longest = max(len(line.look["label"]) for line in lines)
    entries = max(1, int(across * _WIDTH // max(_LEGEND_ENTRY, 0.7 + _LETTER * longest)))
    below = _LEGEND_LINE * -(-len(lines) // entries) + 0.1
    above = 0.4 if title else 0.1
    height = down * _HEIGHT + below + above
    figure = Figure(figsize=(across * _WIDTH, height))
    if title:
        # Names are not ours: a $ in one must not start a formula.
        y = 1 - 0.2 / height
        figure.text(0.01, y, title, fontsize=11, fontweight="bold", color=INK, va="center", parse_math=False)
    for number, draw in enumerate(panels):
        left, bottom = number % across, down - 1 - number // across
        box = (left * _WIDTH + 0.6, below + bottom * _HEIGHT + 0.55, _WIDTH - 0.8, _HEIGHT - 0.9)
        axes = figure.add_axes((box[0] / across / _WIDTH, box[1] / height, box[2] / across / _WIDTH, box[3] / height))
        _prepare(axes)
        draw(axes)
    _draw_legend(figure, lines, entries)
    return figure


def _prepare(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(which="both", colors=INK, labelsize=8.5)
    axes.grid(color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)


def _draw_legend(figure: "Figure", lines: Sequence[Line], entries: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linewidth=2, marker=line.marker if line.family.swept else "", markersize=5, **line.look)
        for line in lines
    ]
    legend = figure.legend(handles=handles, loc="lower left", ncols=entries, frameon=False, fontsize=9, handlelength=3)
    for text in legend.get_texts():
        text.set_parse_math(False)
