"""`data check`: reads a data set once, before anything is trained on it, and says what is in it and what is wrong."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.config.groups import add_folder, conf_folder, names
from benchmark.config.overrides import assignment, quoted
from benchmark.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from benchmark.data.source import Source
    from benchmark.data_check.findings import Finding
    from benchmark.data_check.scan import Item


WIDTH = 100


def data(action: str, name: str, overrides: Sequence[str], out: str | None, config_dir: Path | None = None) -> int:
    """Check the data set `name`, configured by `overrides` such as root=PATH; returns 1 if there are problems, else 0.

    Written to the folder `out` (by default `data_check_NAME`) are the tables, all findings and a contact sheet for each
    split. Raises InputError for a data set that cannot be opened at all, and for an unknown `action`.
    """
    if action != "check":
        raise InputError(f"data {action}: unknown{did_you_mean(action, ['check'])}; write data check NAME root=PATH")
    source = _source(name, overrides, config_dir)
    folder = Path(out if out is not None else f"data_check_{name}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: is no folder; choose another")
    from rich.console import Console

    from benchmark.atomic_files import save_text
    from benchmark.data_check.findings import find
    from benchmark.data_check.scan import scan
    from benchmark.data_check.tables import grids
    from benchmark.report.tables.table import for_console, markdown

    items = scan(source)
    findings = find(items, source.background)
    tables = grids(source, items, findings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_text(folder / "check.md", markdown(tables))
        save_text(folder / "findings.csv", _csv(items, findings))
        _save_sheets(folder, source, items, findings)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error}); choose another") from error
    console = Console()
    console.width = max(console.width, WIDTH)  # a wrapped line is read, a cut cell is not
    for table in tables:
        console.print(for_console(table), soft_wrap=True)
    problems = sum(finding.is_problem for finding in findings)
    print(f"{problems or 'no'} problem{'' if problems == 1 else 's'}; tables, findings and contact sheets: {folder}")
    return 1 if problems else 0


def _source(name: str, overrides: Sequence[str], config_dir: Path | None) -> "Source":
    """The source of conf/data/NAME.yaml; keys are those below `data`, with or without that prefix."""
    if config_dir is not None:
        add_folder(config_dir)
    if name not in names("data"):
        known = names("data")
        raise InputError(f"there is no data {name!r}{did_you_mean(name, known)}; data is one of {', '.join(known)}")
    import hydra
    from hydra.errors import CompactHydraException
    from omegaconf.errors import OmegaConfBaseException

    from benchmark.config.build import build_data
    from benchmark.config.failures import one_line
    from benchmark.config.resolvers import make_stamp, register_resolvers

    register_resolvers(make_stamp())
    given = [f"data={name}", *map(_override, overrides)]
    if config_dir is not None:
        given.append(f"hydra.searchpath=[{quoted(f'file://{config_dir.resolve()}')}]")
    try:
        with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return build_data(hydra.compose("config", given).data).source
    except (CompactHydraException, OmegaConfBaseException) as error:
        raise InputError(one_line(error)) from error


def _override(text: str) -> str:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InputError(f"{text!r} is not KEY=VALUE; write e.g. root=PATH")
    key = key if key == "seed" or key.startswith("data.") else f"data.{key}"
    # A folder may be called anything, and nothing else is meant by its name.
    return assignment(key, value) if key == "data.root" and value[:1] not in ("'", '"') else f"{key}={value}"


def _csv(items: "Sequence[Item]", findings: "Sequence[Finding]") -> str:
    """One line for each finding: its kind, whether it is a problem, its images, score and explanation."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["kind", "problem", "images", "score", "detail"])
    for finding in findings:
        who = " ".join(items[place].name for place in finding.places)
        score = "" if finding.score is None else f"{finding.score:.4g}"
        lines.writerow([finding.kind, finding.is_problem, who, score, finding.detail])
    return text.getvalue()


def _save_sheets(folder: Path, source: "Source", items: "Sequence[Item]", findings: "Sequence[Finding]") -> None:
    from benchmark.atomic_files import atomic_path
    from benchmark.data.source import SPLITS
    from benchmark.data_check.contact_sheet import contact_sheet

    wrong: dict[int, str] = {}
    for finding in findings:
        if finding.is_problem or finding.kind == "faint mask":
            for place in finding.places:
                wrong.setdefault(place, finding.kind)
    for split in SPLITS:
        places = [place for place, item in enumerate(items) if item.split == split]
        marked = {number: wrong[place] for number, place in enumerate(places) if place in wrong}
        sheet = contact_sheet([items[place] for place in places], marked, source.background)
        with atomic_path(folder / f"sheet_{split}.png") as temporary:
            sheet.save(temporary, format="PNG")
