"""Which attacks differ in nothing but their budget, and what those budgets are."""

from collections.abc import Mapping
from typing import Any, NamedTuple

NORM_NAMES = {"2": "L2", "1": "L1", "inf": "L∞"}
"""What a rule calls its norm -> what readers call it, in the order of the tables."""


class Budget(NamedTuple):
    """The norm an attack is about, None if it does not say, and its eps, None if it has none."""

    norm: str | None
    eps: float | None


class Sweep(NamedTuple):
    """Attacks of one family, by rising budget; several only if each has a budget of its own."""

    name: str
    norm: str | None
    budgets: dict[str, float | None]


def budgets(attacks: Mapping[str, Mapping[str, Any]]) -> dict[str, Budget]:
    """What each attack's budget nominally is; a control has that of the attack it copies, whatever its own norm.

    Args:
        attacks: by name, with `norm`, `eps` and `equal_norm`.
    """
    found = {}
    for name, attack in attacks.items():
        meant = attacks.get(attack["equal_norm"], attack)
        found[name] = Budget(meant["norm"], None if meant["eps"] is None else same_eps(meant["eps"]))
    return found


def same_eps(eps: float) -> float:
    """The eps meant: equal for budgets that differ by rounding to float32 only, such as 4/255."""
    return float(f"{255 * eps:.7g}") / 255


def sweeps(attacks: Mapping[str, Mapping[str, Any]]) -> list[Sweep]:
    """The attacks by family, families in alphabetical order.

    Where a family has several attacks, those without a budget, or with one that another has too, stand alone under
    their own names, because no column of a table could be theirs.

    Args:
        attacks: by name, with `family`, `norm`, `eps` and `equal_norm`.
    """
    members: dict[str, dict[str, Budget]] = {}
    for name, budget in sorted(budgets(attacks).items()):
        members.setdefault(attacks[name]["family"] or name, {})[name] = budget
    found = []
    for family, its in members.items():
        values = list(its.values())
        own = {name for name, one in its.items() if len(its) > 1 and (one.eps is None or values.count(one) > 1)}
        found += [Sweep(name, its[name].norm, {name: its[name].eps}) for name in own]
        for norm in dict.fromkeys(one.norm for name, one in its.items() if name not in own):
            chosen = {name: one.eps for name, one in its.items() if name not in own and one.norm == norm}
            found.append(Sweep(family, norm, dict(sorted(chosen.items(), key=lambda item: item[1] or 0.0))))
    return sorted(found, key=lambda sweep: (sweep.name, str(sweep.norm)))
