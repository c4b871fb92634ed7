"""The tables of a league: over all of its scenarios, the optimality in each of them, and each of them in full."""

import math
from collections.abc import Sequence

from benchmark.report.tables.table import NORM_UNITS, TextTable, interval, number
from benchmark.results.budget_sweeps import NORM_NAMES
from benchmark.results.entries import Entry, differing_settings
from benchmark.results.league import Field, League, Standing
from benchmark.results.league_scenarios import Terms, passes_of, takes_part
from benchmark.results.truth_name import data_notes
from benchmark.runs.row_schema import CLAIMED_NOTE
from benchmark.runs.victim_doubts import doubt_lines, doubt_mark

_FEW = 50  # images below which a percentile bootstrap of means is known to be too narrow


def league_grids(leagues: Sequence[League], compared: Sequence[Entry] = ()) -> list[TextTable]:
    """The tables of each league: of one scenario one table, of several also one over all and one of optimalities.

    `compared` are the entries that the leagues were made of; those without a place are named.
    """
    grids = []
    for league in leagues:
        found = [_of_league(league), _matrix(league)] if len(league.fields) > 1 else []
        found += [_of_field(league, field) for field in league.fields]
        found[0] = _with_notes(found[0], [*_notes(league, compared), *_apart(league, leagues)])
        grids += found
    return grids


def league_title(league: League) -> str:
    """What the league is about: norm, sense, judge and passes."""
    terms = league.terms
    passes = "each attack with its own steps" if terms.max_passes is None else f"{terms.max_passes} passes"
    unusual = [f"perturb {terms.perturb}"] if terms.perturb != "image" else []
    unusual += [f"precision {terms.precision}"] if terms.precision != "32" else []
    sense = "targeted" if terms.targeted else "untargeted"
    return " · ".join([f"League by {NORM_NAMES[terms.norm]}", sense, terms.judge, passes, *unusual])


def field_title(field: Field) -> str:
    """The scenario, with the mark of a doubtful victim."""
    marks = [doubt_mark(entry.check) for entry in field.scenario.entries]
    return f"{field.scenario.label} {next(filter(None, marks), '')}".rstrip()


def _of_league(league: League) -> TextTable:
    images = sum(len(field.envelope) for field in league.fields)
    title = f"{league_title(league)} · {len(league.fields)} scenarios, {_images(images)}"
    return TextTable(title, _header(league), [_row(league, one) for one in league.standings])


def _of_field(league: League, field: Field) -> TextTable:
    title = f"{league_title(league)} · {field_title(field)} · {_images(len(field.envelope))}"
    return TextTable(title, _header(league), [_row(league, one) for one in field.standings], _counts(field))


def _matrix(league: League) -> TextTable:
    """Optimality by attack and scenario, in the order of the table over all scenarios."""
    by_field = [{one.attack: one.optimality for one in field.standings} for field in league.fields]
    rows = [[one.attack, *(number(values.get(one.attack), 1, 3) for values in by_field)] for one in league.standings]
    title = f"{league_title(league)} · optimality by scenario"
    return TextTable(title, ["attack", *(field_title(field) for field in league.fields)], rows)


def _header(league: League) -> list[str]:
    unit = NORM_UNITS[league.terms.column][0]
    return [
        *("attack", "optimality", "95 %\ninterval", "reached\nof", "holds the\nenvelope", "alone"),
        *("norm/envelope\nmedian", "norm/envelope\n90 %", f"{unit}\nmedian", "passes to\nsuccess"),
    ]


def _row(league: League, one: Standing) -> list[str]:
    return [
        one.attack,
        number(one.optimality, 1, 3),
        interval(one.ci95, 1, 3),
        f"{one.reached} of {one.images}",
        str(one.holds),
        str(one.alone),
        _known(one.ratio, 1, 3),
        _known(one.ratio90, 1, 3),
        _known(one.median, *NORM_UNITS[league.terms.column][1:]),
        _known(one.passes, 1, 0),
    ]


def _known(value: float, factor: float, decimals: int) -> str:
    return "-" if math.isnan(value) else number(value, factor, decimals)


def _images(count: int) -> str:
    return f"{count} image{'s' * (count != 1)}"


def _counts(field: Field) -> list[str]:
    counted = [
        (field.unreached, "that no attack reaches, left out"),
        (field.satisfied, "whose clean version satisfies the judge already, with the norm 0"),
        (field.scenario.unfinished, "that not every attack has finished, left out"),
    ]
    notes = [f"{_images(count)} {what}." for count, what in counted if count]
    if len(field.attacks) == 1 and not field.scenario.referred:
        notes.append("An attack alone is its own envelope: its optimality is 1 by definition.")
    return notes


def _notes(league: League, compared: Sequence[Entry]) -> list[str]:
    """What has to be known to read the tables of a league."""
    norm = NORM_NAMES[league.terms.norm]
    of = "the 8-bit file where it succeeds" if league.of_files else "the float result whose 8-bit file succeeds"
    members = [entry for field in league.fields for entry in field.scenario.entries]
    notes = [
        f"The {norm} norm is that of {of}; a failure is infinite. Envelope: image by image the smallest norm that any "
        "attack reaches.",
        "Optimality (AttackBench, arXiv 2404.19460): 1 on the envelope everywhere, 0 without a success up to its "
        "largest norm; over several scenarios the mean. Medians and counts are over images whose clean version does "
        "not satisfy the judge; equal norms hold the envelope together.",
    ]
    if min(len(field.envelope) for field in league.fields) < _FEW:
        notes.append(f"With fewer than {_FEW} images bootstrap intervals are too narrow.")
    if league.terms.run is not None:
        notes.append(
            f"{league.terms.run} sets no engine.max_passes: the attacks had different numbers of passes, and nothing "
            "else is compared with them."
        )
    notes += _of_several(league, members)
    notes += dict.fromkeys(_preset_notes(league))
    known = [entry for field in league.fields for entry in field.scenario.referred]
    if referred := dict.fromkeys(f"{entry.attack} ({passes_of(entry)})" for entry in known):
        notes.append(f"The envelope has the norms of attacks without a place, too: {', '.join(referred)}.")
    if without := dict.fromkeys(entry.attack for entry in compared if entry.rows and not takes_part(entry)):
        notes.append(f"Without a place, because they have a budget or copy another's norm: {', '.join(without)}.")
    unfinished = [run.folder.path for entry in members if (run := entry.run) is not None and not run.finished]
    notes += [f"{folder} has not finished: its rows so far are ranked." for folder in dict.fromkeys(unfinished)]
    doubts = [(entry.summary["victim"], line) for entry in members for line in doubt_lines(entry.check)]
    notes += [f"Doubtful victim {name}: {line}." for name, line in dict.fromkeys(doubts)]
    return [*notes, CLAIMED_NOTE, *data_notes(entry.summary for entry in members)]


def _preset_notes(league: League) -> list[str]:
    return [
        f"{attack}: image by image the smaller norm of these attacks, each of which had all of its passes; passes to "
        "success are those of whichever arrives first."
        for field in league.fields
        for attack, members in zip(field.attacks, field.members, strict=True)
        if len(members) > 1
    ]


def _apart(league: League, leagues: Sequence[League]) -> list[str]:
    """Why attacks of the same norm and sense stand in another league."""
    terms, words = league.terms, {"judge": "judge", "perturb": "perturb", "precision": "engine.precision"}
    words |= {"max_passes": "engine.max_passes", "run": "engine.max_passes"}
    others = [one.terms for one in leagues if (one.terms.norm, one.terms.targeted) == (terms.norm, terms.targeted)]
    keys = dict.fromkeys(word for name, word in words.items() if _differs(name, terms, others))
    if not keys:
        return []
    return [f"Attacks of other {' or '.join(keys)} stand in a league of their own: nothing is ranked across them."]


def _differs(name: str, terms: Terms, others: Sequence[Terms]) -> bool:
    return any(getattr(other, name) != getattr(terms, name) for other in others)


def _of_several(league: League, members: Sequence[Entry]) -> list[str]:
    """Notes about attacks that are not in all scenarios, or not the same in all of them."""
    notes = []
    if any(set(field.attacks) != set(league.fields[0].attacks) for field in league.decided):
        notes.append("An attack that is not in all scenarios has no mean, and a smaller set of images.")
    if undecided := [field.scenario.label for field in league.fields if field not in league.decided]:
        notes.append(f"Without a success, and so not in the mean: {'; '.join(undecided)}.")
    alone = [field.scenario.label for field in league.fields if len(field.attacks) == 1 and not field.scenario.referred]
    if alone and len(league.fields) > 1:
        notes.append(f"With one attack only, which is its own envelope there: {'; '.join(alone)}.")
    own = [key.removeprefix("attack.") for key in differing_settings(members) if key.startswith("attack.")]
    if own:
        notes.append(f"An attack of one name has other settings in another run: {', '.join(own)}.")
    return notes


def _with_notes(grid: TextTable, notes: Sequence[str]) -> TextTable:
    return TextTable(grid.title, grid.header, grid.rows, [*grid.notes, *notes])
