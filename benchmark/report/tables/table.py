"""Tables of text, for the console and for Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True)
class TextTable:
    """A table of texts: the first column names the rows, the others hold numbers; "\\n" breaks a line of the header."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def for_console(grid: TextTable) -> "Group":
    """Title, table and notes for Rich; only names in the first column are wrapped."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(grid.header):
        table.add_column(
            Text(name), justify="right" if number else "left", no_wrap=bool(number), overflow="fold", vertical="bottom"
        )
    # Rich would read square brackets in a str as markup.
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    return Group(Text(grid.title, style="bold"), table, *map(Text, grid.notes), "")


def markdown(grids: Iterable[TextTable]) -> str:
    """The tables as Markdown."""
    blocks = []
    for grid in grids:
        lines = [
            _line(name.replace("\n", " ") for name in grid.header),
            "|".join(["", ":--", *["--:"] * (len(grid.header) - 1), ""]),
            *(_line(row) for row in grid.rows),
        ]
        notes = [_escaped(" ".join(grid.notes))] if grid.notes else []
        blocks.append("\n\n".join([f"**{_escaped(grid.title)}**", "\n".join(lines), *notes]))
    return "\n\n".join(blocks) + "\n"


def label(summary: Mapping[str, Any]) -> str:
    """The name of the attack, with † if it is a control, which copies another attack's norm."""
    return summary["attack"] + (" †" if summary["equal_norm"] else "")


def number(value: float | None, factor: float, decimals: int, missing: str = "-") -> str:
    """The text of `value * factor`, or `missing` for None."""
    return missing if value is None else f"{value * factor:.{decimals}f}"


def interval(bounds: Sequence[float | None] | None, factor: float, decimals: int) -> str:
    """The text of two bounds, where None is infinite; a dash without an interval."""
    if bounds is None:
        return "-"
    return " to ".join(number(bound, factor, decimals, "inf") for bound in bounds)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    for character in "\\|*_<`":
        text = text.replace(character, f"\\{character}")
    return text
