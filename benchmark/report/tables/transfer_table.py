"""Transfer matrices for the console, as Markdown and for the page, with the same cells."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmark.report.tables.table import TextTable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDTH = 72  # the least width, so that title and caption have room above two narrow columns

_CAPTION = (
    "Rows: the attacked model; columns: the evaluated model (*: the same model, white box). Noise is a file with the "
    "norm of the adversarial image. Success, among images that are not satisfied when clean: {judge}."
)

Section = tuple[str, list[tuple[str, list[str]]]]
"""The name of a measure, and its lines: a label and a cell for each victim."""

_Show = Callable[[Mapping[str, Any], str], str]


def print_transfer(tables: Iterable[Mapping[str, Any]], console: "Console | None" = None) -> None:
    """Print a matrix for each attack; `console` defaults to the standard output."""
    from rich.console import Console

    console = console or Console()
    for table in tables:
        console.print(transfer_table(table))


def transfer_table(table: Mapping[str, Any]) -> "Table":
    """One of the tables of `summarise_transfer` as a matrix for the console."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    # Rich would read square brackets in a str as markup.
    caption = Text(_CAPTION.format(**table), justify="left")
    shown = Table(
        title=Text(_title(table), style="bold"), caption=caption, box=box.SIMPLE_HEAD, pad_edge=False, min_width=_WIDTH
    )
    victims = _victims(table)
    shown.add_column("")
    for victim in victims:
        shown.add_column(Text(victim), justify="right")
    for measure, lines in _sections(table, victims):
        shown.add_row(Text(measure, style="italic"))
        for index, (source, cells) in enumerate(lines):
            shown.add_row(Text(f"  {source}"), *map(Text, cells), end_section=index == len(lines) - 1)
    return shown


def transfer_markdown(tables: Iterable[Mapping[str, Any]]) -> str:
    """All tables of `summarise_transfer` as Markdown."""
    parts = []
    for table in tables:
        victims = _victims(table)
        lines = [f"## {_title(table)}", "", _CAPTION.format(**table).replace("*", "\\*"), ""]
        lines += ["| | " + " | ".join(map(_escaped, victims)) + " |", "|---" * (len(victims) + 1) + "|"]
        for measure, rows in _sections(table, victims):
            lines.append(f"| **{measure}** |" + " |" * len(victims))
            lines += [f"| {_escaped(source)} | " + " | ".join(map(_escaped, cells)) + " |" for source, cells in rows]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def transfer_grids(tables: Iterable[Mapping[str, Any]]) -> list[TextTable]:
    """All tables of `summarise_transfer`, a `TextTable` for each measure."""
    grids = []
    for table in tables:
        victims = _victims(table)
        for measure, lines in _sections(table, victims):
            rows = [[source, *cells] for source, cells in lines]
            grids.append(TextTable(f"{_title(table)} · {measure}", ["", *victims], rows, [_CAPTION.format(**table)]))
    return grids


def _victims(table: Mapping[str, Any]) -> list[str]:
    return sorted({victim for cells in table["matrix"].values() for victim in cells})


def _sections(table: Mapping[str, Any], victims: Sequence[str]) -> list[Section]:
    """The measures; the lines of each are the adversarial files of every source, then the noise, then clean images."""
    sections = [_section("success, 8-bit", table, victims, _successes)]
    for score, label in (("iou_target", "IoU to target"), ("iou_truth", "IoU to truth")):
        measure, lines = _section(label, table, victims, partial(_mean, score))
        clean = [f"{table['clean'][victim][f'clean_{score}']['mean']:.3f}" for victim in victims]
        sections.append((measure, [*lines, ("clean", clean)]))
    return sections


def _section(measure: str, table: Mapping[str, Any], victims: Sequence[str], show: _Show) -> Section:
    lines = []
    for prefix, label in (("adv8", "{}"), ("noise8", "noise like {}")):
        for source, cells in table["matrix"].items():
            shown = [show(cells[victim], prefix) if victim in cells else "-" for victim in victims]
            lines.append((label.format(source), shown))
    return measure, lines


def _successes(cell: Mapping[str, Any], prefix: str) -> str:
    rate = cell["success8_rate" if prefix == "adv8" else "noise8_success_rate"]
    return _marked(cell, prefix, f"{round((rate or 0) * cell['attacked'])}/{cell['attacked']}")


def _mean(score: str, cell: Mapping[str, Any], prefix: str) -> str:
    return _marked(cell, prefix, f"{cell[f'{prefix}_{score}']['mean']:.3f}")


def _marked(cell: Mapping[str, Any], prefix: str, text: str) -> str:
    return f"*{text}" if cell["white_box"] and prefix == "adv8" else text


def _title(table: Mapping[str, Any]) -> str:
    norm = {"inf": "L∞", "2": "L2", "1": "L1"}.get(table["norm"], "")
    if table["equal_norm"]:
        budget = f"{norm} of {table['equal_norm']}"
    elif table["eps"] is None:
        budget = norm
    else:
        budget = f"{norm} ≤ {table['eps'] * 255:g}/255" if table["norm"] == "inf" else f"{norm} ≤ {table['eps']:g}"
    sense = "targeted" if table["targeted"] else "untargeted"
    return " · ".join(part for part in (table["attack"], budget, sense, f"{table['data']} ({table['split']})") if part)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")
