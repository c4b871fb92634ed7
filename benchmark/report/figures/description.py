"""What a figure shows, in plain values: the page draws it with Plotly, curves.png with matplotlib."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.tables.table import TextTable


@dataclass(frozen=True)
class Look:
    """How one attack is drawn, the same in every figure.

    Attributes:
        label: its name in the legend.
        colour: as #RRGGBB.
        dashes: lengths of strokes and gaps by turns, in line widths; empty for a solid line.
        marker: a key of `looks.MARKERS`, for the points that a figure marks.
    """

    label: str
    colour: str
    dashes: tuple[float, ...]
    marker: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis titled with its quantity and unit.

    The data decide where `limits` are None, and the renderer chooses `ticks` if there are none. `percent` labels shares
    as percentages.
    """

    title: str
    limits: tuple[float, float] | None = None
    ticks: Sequence[float] = ()
    log: bool = False
    percent: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through points (`x`, `y`), with a gap where `y` is NaN.

    With `steps` each value holds until the next `x`. A `thin` line recedes behind the others; `marked` points have
    markers.
    """

    look: Look
    x: Sequence[float]
    y: Sequence[float]
    steps: bool = False
    thin: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Box:
    """Median, quartiles and range of `values` on the x axis; `names` has the name of each value."""

    look: Look
    values: Sequence[float]
    names: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure, and the same in numbers as a table.

    Attributes:
        key: names the figure in the page's addresses.
        caption: how to read it, in whole sentences, without what the note says; the page shows it.
        note: a few words without which the picture would be misread; every renderer shows them.
        lines: drawn in this order, the last on top.
        boxes: one below the other, the first on top.
    """

    key: str
    title: str
    caption: str
    x: Axis
    y: Axis
    table: TextTable
    note: str = ""
    lines: Sequence[Line] = ()
    boxes: Sequence[Box] = ()

    @property
    def looks(self) -> list[Look]:
        """The entries of the legend."""
        return [*(line.look for line in self.lines), *(box.look for box in self.boxes)]
