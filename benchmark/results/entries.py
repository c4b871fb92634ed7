"""What a report compares, line by line: each attack of each run, and each card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.results.loaded import Results, Run
from benchmark.results.run_settings import settings_of
from benchmark.runs.tables import group_rows


@dataclass(frozen=True)
class Entry:
    """One line of the comparison.

    Attributes:
        label: of the run or card.
        summary: the attack's, with the keys of summary.json.
        run: whose rows it was computed from; None for a card.
        rows: sorted by id; none of a card.
        settings: key -> value of the configuration, those of the attack beginning with "attack.".
        kind: "run" or "card".
    """

    label: str
    summary: Mapping[str, Any]
    run: Run | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "run"

    @property
    def source(self) -> str:
        """The run's name, or the card's."""
        return self.label if self.run is None else self.run.name

    @property
    def attack(self) -> str:
        """Its name, with the budget."""
        return str(self.summary["attack"])

    @property
    def name(self) -> str:
        """Tells it from all others of the report."""
        return f"{self.attack} · {self.label}"


def entries(results: Results) -> list[Entry]:
    """Run by run in the order given, attacks in alphabetical order, cards last."""
    found = []
    for run in results.runs:
        by_attack = group_rows(run.rows, "attack")
        for summary in run.summary.attacks:
            rows = sorted(by_attack[summary["attack"]], key=lambda row: str(row["id"]))
            found.append(
                Entry(run.label, summary, run, rows, settings_of(run.config, summary["attack"], summary["family"]))
            )
    cards = [
        Entry(card.label, card.summary, settings=card.provenance.get("settings") or {}, kind="card")
        for card in results.cards
    ]
    return [*found, *cards]


def differing_settings(compared: Sequence[Entry]) -> list[str]:
    """Keys of the configuration whose values differ between entries, or for the attack's own between equal attacks."""
    keys = dict.fromkeys(key for entry in compared for key in sorted(entry.settings))
    return [key for key in keys if _differs(key, compared)]


def _differs(key: str, compared: Sequence[Entry]) -> bool:
    if not key.startswith("attack."):
        return len({str(entry.settings.get(key)) for entry in compared}) > 1
    values: dict[str, set[str]] = {}
    for entry in compared:
        values.setdefault(entry.attack, set()).add(str(entry.settings.get(key)))
    return any(len(found) > 1 for found in values.values())
