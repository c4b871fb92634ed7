"""Say what is in a data set, and what is wrong with it, before anything is trained on it.

Reads all images and masks, and reports unreadable files, masks that do not go with their images, undeclared values,
images that occur twice (by pixels, and by a perceptual hash), patients in two splits, masks that fit another image
better, blank images, and empty masks. The folder gets check.md, findings.csv and sheet_SPLIT.png, where images with a
finding are framed. Exit status: 0 nothing wrong (there may be notes), 1 something to look at, 2 bad input.

examples
  python -m benchmark data check isic2018 root=PATH
  python -m benchmark data check folder root=PATH 'encoding={0:0,1:1}' --out checked
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.atomic_files import atomic_path, save_text
from benchmark.cli.parsers import Command, Parser, say
from benchmark.errors import InputError, did_you_mean, writing

if TYPE_CHECKING:
    from benchmark.data.source import Source
    from benchmark.data_check.findings import Finding
    from benchmark.data_check.scan import Item


def data(action: str, name: str, overrides: Sequence[str], out: Path | None) -> int:
    """Check the data set `name`, configured by `overrides` such as root=PATH; returns 1 if there are problems, else 0.

    The folder `out`, by default `data_check_NAME`, gets the tables, all findings and a contact sheet for each split.
    Raises InputError for a data set that cannot be opened at all, and for an unknown `action`.
    """
    from benchmark.config.build import build_data
    from benchmark.config.compose import compose
    from benchmark.data.notes import skipped_notes
    from benchmark.data_check.findings import find
    from benchmark.data_check.scan import scan
    from benchmark.data_check.tables import grids
    from benchmark.report.tables.table import markdown, print_tables

    if action != "check":
        raise InputError(f"data {action}: unknown{did_you_mean(action, ['check'])}; write data check NAME root=PATH")
    module = build_data(compose([f"data={name}", *map(_override, overrides)]).data)
    source = module.source
    for note in skipped_notes(module):
        say(f"note: {note}", error=True)
    folder = out or Path(f"data_check_{name}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is not a folder; choose another")
    items = scan(source)
    findings = find(items, source.background)
    tables = grids(source, items, findings)
    with writing(f"--out {folder}: cannot be written", remedy="choose another"):
        folder.mkdir(parents=True, exist_ok=True)
        save_text(folder / "check.md", markdown(tables))
        save_text(folder / "findings.csv", _csv(items, findings))
        _save_sheets(folder, source, items, findings)
    print_tables(tables)
    problems = sum(finding.is_problem for finding in findings)
    say(f"{problems or 'no'} problem{'' if problems == 1 else 's'}; tables, findings and contact sheets: {folder}")
    return 1 if problems else 0


def _override(text: str) -> str:
    """The override for a key below `data`, which may be given with or without that prefix."""
    from benchmark.config.overrides import assignment, from_command_line

    key, separator, value = text.partition("=")
    if separator and key in ("root", "data.root") and value[:1] not in ("'", '"'):
        return assignment("data.root", value)  # a folder may be called anything, and nothing else is meant by its name
    override = from_command_line(text)
    return text if override.key == "seed" or override.key.startswith("data.") else f"data.{text}"


def _csv(items: "Sequence[Item]", findings: "Sequence[Finding]") -> str:
    """One line for each finding: its kind, whether it is a problem, its images, score and explanation."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["kind", "problem", "images", "score", "detail"])
    for finding in findings:
        images = " ".join(items[place].name for place in finding.places)
        score = "" if finding.score is None else f"{finding.score:.4g}"
        lines.writerow([finding.kind, finding.is_problem, images, score, finding.detail])
    return text.getvalue()


def _save_sheets(folder: Path, source: "Source", items: "Sequence[Item]", findings: "Sequence[Finding]") -> None:
    from benchmark.data.source import SPLITS
    from benchmark.data_check.contact_sheet import contact_sheet

    wrong: dict[int, str] = {}
    for finding in findings:
        if finding.is_problem or finding.kind == "faint mask":
            for place in finding.places:
                wrong.setdefault(place, finding.kind)
    for split in SPLITS:
        places = [place for place, item in enumerate(items) if item.split == split]
        if not places:
            continue
        marked = {number: wrong[place] for number, place in enumerate(places) if place in wrong}
        sheet = contact_sheet([items[place] for place in places], marked, source.background)
        with atomic_path(folder / f"sheet_{split}.png") as temporary:
            sheet.save(temporary, format="PNG")


def _add_arguments(parser: Parser) -> None:
    parser.add_argument("action", metavar="check", help="read everything once and report")
    parser.add_argument("name", metavar="NAME", help="a file of conf/data, see `list data`")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="its keys: root=PATH, or data.root=PATH")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the report goes; by default data_check_NAME")
    parser.add_config_dir()


COMMAND = Command(text=__doc__, run=data, add_arguments=_add_arguments)
