"""The entries that a report compares: each attack of each run, and each card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.results.loaded_runs import Results, Run
from benchmark.results.run_settings import settings_of
from benchmark.runs.tables import group_rows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One attack of one run with its rows, sorted by id; or one card, which has no run and no rows.

    `summary` has the keys of summary.json. `settings` are key -> value of the configuration; the keys of the attack
    itself begin with "attack.". `check` is what the check of the victim has found, see `victim_doubts`.
    """

    label: str
    summary: Mapping[str, Any]
    run: Run | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    check: object = None

    @property
    def source(self) -> str:
        """The name of the run, or the label of the card."""
        return self.label if self.run is None else self.run.name

    @property
    def attack(self) -> str:
        """The name of the attack, with its budget."""
        return str(self.summary["attack"])

    @property
    def name(self) -> str:
        """A name that is unique in the report."""
        return f"{self.attack} · {self.label}"


def entries(results: Results) -> list[Entry]:
    """All entries: the runs in their order, their attacks in alphabetical order, then the cards."""
    listed = []
    for run in results.runs:
        by_attack = group_rows(run.rows, "attack")
        for summary in run.summary.attacks:
            rows = sorted(by_attack[summary["attack"]], key=lambda row: str(row["id"]))
            settings = settings_of(run.config, summary["attack"], summary["family"])
            entry = Entry(label=run.label, summary=summary, run=run, rows=rows, settings=settings, check=run.check)
            listed.append(entry)
    for card in results.cards:
        settings, check = card.provenance.get("settings") or {}, card.provenance.get("victim_check")
        listed.append(Entry(label=card.label, summary=card.summary, settings=settings, check=check))
    return listed


def differing_settings(compared: Sequence[Entry]) -> list[str]:
    """The keys whose values differ between entries; those of the attack itself, between entries of the same attack."""
    keys = dict.fromkeys(key for entry in compared for key in sorted(entry.settings))
    differing = []
    for key in keys:
        among = [entry.attack if key.startswith("attack.") else "" for entry in compared]
        values = {(attack, str(entry.settings.get(key))) for attack, entry in zip(among, compared, strict=True)}
        if len(values) > len(set(among)):
            differing.append(key)
    return differing
