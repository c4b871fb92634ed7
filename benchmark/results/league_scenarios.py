"""What a league compares: attacks that look for the smallest norm, on the same images of the same victim.

Only attacks without a budget take part, and no controls. Attacks are compared under the same terms alone: one norm, one
sense, one judge, one number of passes, one precision. Under them stand scenarios: a victim, its data and the kind of
target. Runs with other attacks on the same victim and images are one scenario.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.column_arrays import NORM_COLUMNS
from benchmark.results.entries import Entry

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What has to be equal for attacks to be compared.

    Attributes:
        norm: "1", "2" or "inf".
        targeted: whether the attacks aim at a target, or leave the truth.
        judge: what success is.
        max_passes: for an image, of every attack; None: each attack has its own number of steps.
        perturb, precision: what may be changed, and of which precision the passes are, as texts.
        run: the folder; None where `max_passes` is known, since nothing else says that two runs had equal passes.
    """

    norm: str
    targeted: bool
    judge: str
    max_passes: int | None
    perturb: str
    precision: str
    run: str | None

    @property
    def column(self) -> str:
        """The column of the norm."""
        return NORM_COLUMNS[self.norm]


@dataclass(frozen=True, kw_only=True)
class _Place:
    """What has to be equal for two runs to have attacked the same images of the same victim at the same targets."""

    victim: str
    target: str
    data: str
    split: str
    labels: str
    seed: int
    fingerprint: str
    weights: str


_NAMED = ("data", "split", "labels", "seed")
"""Parts of a place that its label has where they differ."""

_HASHED = {"weights": "weights", "fingerprint": "data"}
"""Further parts, by the words for them, whose first digits a label has where those above are equal."""
_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Attacks on the images that all of them have finished.

    Attributes:
        label: unique among the scenarios of the same terms.
        victim, target: names; the target is "" for untargeted attacks.
        entries: the attacks, in alphabetical order.
        rows: attack -> its rows, of the same images in the same order.
        unfinished: images that some attacks have finished and others have not.
        reference: for each of these images the rows of further attacks, of any number of passes, which have no place.
        referred: the entries of these attacks.
    """

    label: str
    victim: str
    target: str
    entries: Sequence[Entry]
    rows: Mapping[str, Sequence[Row]]
    unfinished: int
    reference: Sequence[Sequence[Row]]
    referred: Sequence[Entry]


def takes_part(entry: Entry) -> bool:
    """Whether it is an attack with rows, in a known norm, without a budget, and no control."""
    return bool(entry.rows) and all(
        str(row["norm"]) in NORM_NAMES and row["eps"] is None and not row["equal_norm"] for row in entry.rows
    )


def scenarios(compared: Sequence[Entry], reference: Sequence[Entry] = ()) -> dict[Terms, list[Scenario]]:
    """The scenarios of each terms, L2 first; an attack that two runs have on one place makes a scenario of each run.

    `reference` are entries whose attacks were made on the same places with another number of passes or precision.
    """
    places: dict[Terms, dict[_Place, list[Entry]]] = {}
    for entry in filter(takes_part, compared):
        places.setdefault(_terms(entry), {}).setdefault(_place(entry), []).append(entry)
    order = sorted(places, key=lambda terms: (list(NORM_NAMES).index(terms.norm), not terms.targeted, str(terms)))
    return {terms: _scenarios(places[terms], _like(terms, reference)) for terms in order}


def _like(terms: Terms, reference: Sequence[Entry]) -> list[Entry]:
    """The entries whose terms differ at most in what their attacks cost."""
    free: dict[str, Any] = {"max_passes": None, "precision": "", "run": None}
    wanted = replace(terms, **free)
    return [entry for entry in reference if takes_part(entry) and replace(_terms(entry), **free) == wanted]


def _terms(entry: Entry) -> Terms:
    row, settings = entry.rows[0], entry.settings
    passes = settings.get("engine.max_passes")
    passes = passes if isinstance(passes, int) and not isinstance(passes, bool) else None
    return Terms(
        norm=str(row["norm"]),
        targeted=bool(row["targeted"]),
        judge=str(row["judge"]),
        max_passes=passes,
        perturb=str(settings.get("perturb", "image")),
        precision=str(settings.get("engine.precision", 32)),
        run=_folder(entry) if passes is None else None,
    )


def _place(entry: Entry) -> _Place:
    row, summary = entry.rows[0], entry.summary
    return _Place(
        victim=str(row["victim"]),
        target=str(summary["target"]) if row["targeted"] else "",
        data=str(row["data"]),
        split=str(summary["split"]),
        labels=str(row["labels"]),
        seed=int(row["seed"]),
        fingerprint=str(row["data_fingerprint"]),
        weights=str(row["weights_sha256"]),
    )


def passes_of(entry: Entry) -> str:
    """How many passes the attack had for an image, in words."""
    passes = _terms(entry).max_passes
    return "its own steps" if passes is None else f"{passes} passes"


def _folder(entry: Entry) -> str:
    return "" if entry.run is None else str(entry.run.folder.path)


def _scenarios(places: Mapping[_Place, Sequence[Entry]], reference: Sequence[Entry]) -> list[Scenario]:
    parts: list[tuple[_Place, list[Entry], bool]] = []
    for place, members in places.items():
        repeated = len({entry.attack for entry in members}) < len(members)
        by_run: dict[str, list[Entry]] = {}
        for entry in members:
            by_run.setdefault(_folder(entry) if repeated else "", []).append(entry)
        parts += [(place, group, repeated) for group in by_run.values()]
    varying = [name for name in _NAMED if len({getattr(place, name) for place, _, _ in parts}) > 1]
    named = [_label(place, varying) for place, _, _ in parts]
    alike = {label: [place for (place, _, _), one in zip(parts, named, strict=True) if one == label] for label in named}
    labels = [label + _hashes(place, alike[label]) for (place, _, _), label in zip(parts, named, strict=True)]
    found = []
    for (place, members, repeated), label in zip(parts, labels, strict=True):
        if repeated or labels.count(label) > 1:
            label += f" ({', '.join(dict.fromkeys(map(_folder, members)))})"
        beside = [entry for entry in reference if _place(entry) == place]
        found.append(_scenario(place, label, sorted(members, key=lambda entry: entry.attack), beside))
    return found


def _label(place: _Place, varying: Sequence[str]) -> str:
    named = f"{place.victim}, {place.target}" if place.target else place.victim
    return " · ".join([named, *(f"{name} {getattr(place, name)}" for name in varying)])


def _hashes(place: _Place, alike: Sequence[_Place]) -> str:
    """What tells a place from others of the same label, by its first digits."""
    names = [name for name in _HASHED if any(getattr(one, name) != getattr(place, name) for one in alike)]
    return "".join(f" · {_HASHED[name]} {getattr(place, name)[:_DIGITS]}" for name in names)


def _scenario(place: _Place, label: str, members: Sequence[Entry], reference: Sequence[Entry]) -> Scenario:
    by_image = {entry.attack: {_image(row): row for row in entry.rows} for entry in members}
    common = set.intersection(*(set(rows) for rows in by_image.values()))
    every = set.union(*(set(rows) for rows in by_image.values()))
    rows = {attack: [rows[image] for image in sorted(common)] for attack, rows in by_image.items()}
    beside: dict[tuple[str, str, int, int], list[Row]] = {image: [] for image in sorted(common)}
    referred = [entry for entry in reference if any(_image(row) in beside for row in entry.rows)]
    for row in (row for entry in referred for row in entry.rows if _image(row) in beside):
        beside[_image(row)].append(row)
    return Scenario(
        label=label,
        victim=place.victim,
        target=place.target,
        entries=members,
        rows=rows,
        unfinished=len(every) - len(common),
        reference=list(beside.values()),
        referred=referred,
    )


def _image(row: Row) -> tuple[str, str, int, int]:
    """What makes two rows those of one image: its id, the very target, and its size."""
    return str(row["id"]), str(row["target"]) if row["targeted"] else "", row["height"], row["width"]
