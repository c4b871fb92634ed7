"""Tables of text, for the console and for Markdown, and the texts of their cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.errors import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NORM_UNITS = {"l1": ("L1", 1, 1), "l2": ("L2", 1, 3), "linf": ("L∞ · 255", 255, 2)}
"""The column of a norm -> its name in a table, the factor of its numbers, and their decimals."""


@dataclass(frozen=True)
class TextTable:
    """A table of texts: the first column names the rows, the others hold numbers.

    "\\n" breaks a line of the header. An empty row is a rule between two sections, which only the console shows.
    Texts may come from files: what a terminal would obey instead of showing it is escaped.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        header = [printable(name, breaks=True) for name in self.header]
        object.__setattr__(self, "title", printable(self.title))
        object.__setattr__(self, "header", type(self.header)(header))  # type: ignore[call-arg]
        for name in ("rows", "notes"):
            object.__setattr__(self, name, _printable(getattr(self, name)))


def print_tables(tables: Iterable[TextTable], console: "Console | None" = None) -> None:
    """Print titles, tables and notes; without a `console` on the standard output, as wide as the numbers need."""
    from rich.console import Console
    from rich.text import Text

    shown = [(table, _for_rich(table)) for table in tables]
    if console is None:
        console = Console()
        unlimited = console.options.update(width=10_000)
        # A wrapped line can be read, a truncated cell cannot.
        console.width = max([console.width, *(console.measure(rich, options=unlimited).minimum for _, rich in shown)])
    for table, rich in shown:
        console.print(Text(table.title, style="bold"), rich, *map(Text, table.notes), "", sep="\n")


def _for_rich(table: TextTable) -> "Table":
    """Only names in the first column are wrapped."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    first, *others = table.header
    shown.add_column(Text(first), overflow="fold", vertical="bottom")
    for place, name in enumerate(others, start=1):
        # Rich takes a column to be as narrow as its longest word.
        lines = [*name.split("\n"), *(row[place] for row in table.rows if row)]
        width = max(map(cell_len, lines))
        shown.add_column(Text(name), justify="right", no_wrap=True, min_width=width, vertical="bottom")
    for row in table.rows:
        if row:
            shown.add_row(*map(Text, row))  # Rich would read square brackets in a str as markup.
        else:
            shown.add_section()
    return shown


def markdown(tables: Iterable[TextTable]) -> str:
    """The tables as Markdown."""
    blocks = []
    for table in tables:
        lines = [
            _line(name.replace("\n", " ") for name in table.header),
            "|".join(["", ":--", *["--:"] * (len(table.header) - 1), ""]),
            *map(_line, table.rows),
        ]
        notes = [_escaped(" ".join(table.notes))] if table.notes else []
        blocks.append("\n\n".join([f"**{_escaped(table.title)}**", "\n".join(lines), *notes]))
    return "\n\n".join(blocks) + "\n"


def label(summary: Mapping[str, Any]) -> str:
    """The name of the attack, with † if it is a control, which copies another attack's norm."""
    return summary["attack"] + (" †" if summary.get("equal_norm") else "")


def number(value: float | None, factor: float, decimals: int, missing: str = "-") -> str:
    """The text of `value * factor`, or `missing` for None."""
    return missing if value is None else f"{value * factor:.{decimals}f}"


def interval(bounds: Sequence[float | None] | None, factor: float, decimals: int) -> str:
    """The text of two bounds, where None is infinite; a dash without an interval."""
    return "-" if bounds is None else " to ".join(number(bound, factor, decimals, "inf") for bound in bounds)


def success(one: Mapping[str, Any]) -> tuple[str, str]:
    """The success of the 8-bit files in per cent, and its interval."""
    return number(one["success8_rate"], 100, 1), interval(one["success8_rate_ci95"], 100, 0)


def missing_median(one: Mapping[str, Any]) -> str:
    """The text for a missing median, which is infinite if any image was attacked."""
    return "inf" if one.get("attacked") else "-"


def _printable(texts: Any) -> Any:
    """A text, or all texts of a list or tuple, as `printable` gives them."""
    return type(texts)(map(_printable, texts)) if isinstance(texts, list | tuple) else printable(texts)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    for character in "\\|*_<`":
        text = text.replace(character, f"\\{character}")
    return text
