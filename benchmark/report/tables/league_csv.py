"""The numbers of a league, not rounded, as a CSV file: one line for each attack and scenario."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict

from benchmark.errors import printable
from benchmark.results.league import League, Standing

_ALL = "all scenarios"


def league_csv(leagues: Sequence[League]) -> str:
    """The text of the file. Norms and ratios may be `inf`; what does not exist is empty."""
    text = io.StringIO()
    lines = [line for league in leagues for line in _lines(league)]
    if lines:
        writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return text.getvalue()


def _lines(league: League) -> list[dict[str, object]]:
    terms = asdict(league.terms) | {"of": "8-bit file" if league.of_files else "float result"}
    tables = [(_ALL, "", "", league.standings)] if len(league.fields) > 1 else []
    for field in league.fields:
        scenario = field.scenario
        tables.append((scenario.label, scenario.victim, scenario.target, field.standings))
    lines = [
        {**terms, "scenario": label, "victim": victim, "target": target, **_values(one)}
        for label, victim, target, standings in tables
        for one in standings
    ]
    return [
        {name: printable(value) if isinstance(value, str) else value for name, value in line.items()} for line in lines
    ]


def _values(one: Standing) -> dict[str, object]:
    low, high = one.ci95 or (None, None)
    values = asdict(one) | {"ci95_low": low, "ci95_high": high}
    del values["ci95"]
    return {name: "" if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}
