"""Which colour, dashes and marker each attack of each run has in all figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.report.figures.description import Look
from benchmark.results.loaded_runs import Run
from benchmark.results.result_card import Card
from benchmark.results.success_curves import Family, families

# The colours of Okabe and Ito that stand out on white; colour-blind readers can tell them apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#56B4E9", "#E69F00")

# Name -> Plotly's symbol and matplotlib's.
MARKERS = {
    "circle": ("circle", "o"),
    "square": ("square", "s"),
    "diamond": ("diamond", "D"),
    "triangle": ("triangle-up", "^"),
    "triangle down": ("triangle-down", "v"),
    "plus": ("cross", "P"),
    "cross": ("x", "X"),
}

_ATTACK_DASHES = ((), (5.0, 1.2, 1.0, 1.2), (1.0, 1.0), (8.0, 1.5), (8.0, 1.2, 1.0, 1.2, 1.0, 1.2))
_CONTROL_DASHES = ((3.0, 2.0), (6.0, 2.0, 2.0, 2.0), (2.0, 3.0))
_CARD_DASHES = (1.0, 2.0)


@dataclass(frozen=True)
class FamilyOfRun:
    """The attacks of one run that differ in their budget only, and how they are drawn."""

    run: Run
    family: Family
    look: Look


def families_of(runs: Sequence[Run]) -> list[FamilyOfRun]:
    """The families of all runs, run by run.

    A family has the same colour in every run, and a control, which copies another attack's norm, has that attack's
    colour. Dashes tell runs, controls, and families beyond the number of colours apart.
    """
    listed = [(index, run, family) for index, run in enumerate(runs) for family in families(run.rows)]
    attacks = dict.fromkeys(family.name for _, _, family in listed if family.copied is None)
    numbers = {name: number for number, name in enumerate(attacks)}
    drawn = []
    for index, run, family in listed:
        # A control of an attack that is not shown has a colour of its own.
        number = numbers.setdefault(family.copied or family.name, len(numbers))
        around = number // len(COLOURS)
        dashes = _ATTACK_DASHES if family.copied is None else _CONTROL_DASHES
        look = Look(
            family.name if len(runs) == 1 else f"{family.name} · {run.label}",
            COLOURS[number % len(COLOURS)],
            dashes[(around + index) % len(dashes)],
            # Shifted, so that families of one colour differ in their markers too.
            list(MARKERS)[(number + 3 * around + index) % len(MARKERS)],
        )
        drawn.append(FamilyOfRun(run, family, look))
    return drawn


def looks_of_cards(cards: Sequence[Card]) -> list[Look]:
    """One for each card, with the colours in reverse."""
    return [
        Look(f"{card.summary['attack']} · {card.label}", COLOURS[-1 - index % len(COLOURS)], _CARD_DASHES, "circle")
        for index, card in enumerate(cards)
    ]
