"""The report as one HTML file, which contains all it needs and loads nothing from a network."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from omegaconf import OmegaConf

from benchmark import __version__
from benchmark.atomic_files import save_text
from benchmark.errors import printable
from benchmark.report.figures.all_figures import figures
from benchmark.report.figures.description import Figure
from benchmark.report.figures.league import league_figures
from benchmark.report.page.gallery import gallery
from benchmark.report.page.plotly_figures import to_plotly
from benchmark.report.page.tiles import facts, tiles
from benchmark.report.tables.comparison import comparison
from benchmark.report.tables.leaderboard import leaderboard
from benchmark.report.tables.league_table import league_grids
from benchmark.report.tables.strata_table import strata_grids_of_one
from benchmark.report.tables.table import TextTable
from benchmark.report.tables.transfer_table import transfer_grids
from benchmark.results.entries import Entry, entries
from benchmark.results.league import leagues
from benchmark.results.loaded_runs import Results
from benchmark.runs.row_schema import CLAIMED, CLAIMED_NOTE
from benchmark.runs.victim_doubts import doubt_lines, doubt_mark

_SCRIPTS = ("start.js", "tables.js", "gallery.js", "detail.js", "scatter.js")
"""Scripts that run before Plotly is parsed, so that tables and pictures do not wait for it."""


def write_page(results: Results, path: Path, title: str | None = None) -> Path:
    """Write the report of `results`, whole or not at all. The default title names attacks, victims and data."""
    save_text(path, page_text(results, path, title))
    return path


def page_text(results: Results, path: Path, title: str | None = None) -> str:
    """The report as it stands in a file at `path`."""
    from plotly.offline import get_plotlyjs

    compared = entries(results)
    columns, lines = leaderboard(compared)
    drawn = figures(results)
    league_tables, league_drawn = _league(results, compared)
    data = gallery(compared, path)
    data["plots"] = [to_plotly(figure) for figure in (*drawn, *league_drawn)]
    scripts = [_read(name) for name in _SCRIPTS]
    after = [str(get_plotlyjs()).replace("</script", "<\\/script"), _read("plots.js")]
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    return environment.from_string(_read("page.html")).render(
        title=title or _title(compared),
        version=__version__,
        claimed=CLAIMED_NOTE,
        claimed_columns=", ".join(CLAIMED),
        policy=_policy([*scripts, *after]),
        style=Markup(_read("page.css")),
        scripts=[Markup(script) for script in scripts],
        after=[Markup(script) for script in after],
        data=Markup(_json(data)),
        tiles=[(e, doubt_mark(e.check), tiles(e.summary)) for e in compared] if len(compared) <= 4 else [],
        doubts=_doubts(compared),
        columns=columns,
        lines=lines,
        figures=drawn,
        league_tables=league_tables,
        league_figures=league_drawn,
        grids=_grids(results),
        transfers=transfer_grids(results.transfers),
        facts=[(f"{run.name} · {run.label}", facts(run), _yaml(run.config)) for run in results.runs],
        cards=[(card.label, _yaml(card.provenance)) for card in results.cards],
        pictures=any(entry["pictures"] or entry["files"] for entry in data["entries"]),
        several=len(data["entries"]) > 1,
    )


def _title(compared: Sequence[Entry]) -> str:
    attacks, victims, data = (
        list(dict.fromkeys(str(entry.summary[name]) for entry in compared)) for name in ("attack", "victim", "data")
    )
    named = attacks[0] if len(attacks) == 1 else f"{len(attacks)} attacks"
    against = victims[0] if len(victims) == 1 else f"{len(victims)} victims"
    return f"{named} against {against} on {', '.join(data)}" if compared else "Transfer between victims"


def _doubts(compared: Sequence[Entry]) -> dict[str, list[str]]:
    """The label of a run or card -> what is doubtful about its victim, without those that nothing is wrong with."""
    lines = {entry.label: doubt_lines(entry.check) for entry in compared}
    return {label: listed for label, listed in lines.items() if listed}


def _grids(results: Results) -> list[tuple[str, list[TextTable]]]:
    """(label, tables) of each run: the tables that the run has printed, except for a summary of one attack."""
    by_run = []
    for run in results.runs:
        attacks = run.summary.attacks
        grids = strata_grids_of_one(attacks[0]) if len(attacks) == 1 else comparison(*run.summary, run.check)
        by_run += [(run.label, grids)] if grids else []
    return by_run


def _league(results: Results, compared: Sequence[Entry]) -> tuple[list[TextTable], list[Figure]]:
    """Tables and figures of the leagues in which attacks meet."""
    found = [league for league in leagues(compared) if league.is_contest]
    return league_grids(found, compared), league_figures(found, results.runs)


def _read(name: str) -> str:
    return (files("benchmark.report") / "page" / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    """A Content-Security-Policy: only these scripts run, and only pictures in the run's folder are loaded."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src 'self' data: blob: file:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(data: Mapping[str, Any]) -> str:
    # Within a script element only "<" could end the data.
    return json.dumps(_shown(data), allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _shown(value: Any) -> Any:
    """A value with all of its texts as `printable` gives them, but with their line breaks; our own markup stays."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value, breaks=True)
    if isinstance(value, Mapping):
        return {_shown(name): _shown(part) for name, part in value.items()}
    return [_shown(part) for part in value] if isinstance(value, list | tuple) else value


def _yaml(node: Mapping[str, Any]) -> str:
    return OmegaConf.to_yaml(OmegaConf.create(dict(node))) if node else ""
