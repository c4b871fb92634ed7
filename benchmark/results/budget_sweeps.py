"""Sweeps: attacks that differ only in their budget."""

from collections.abc import Mapping
from typing import Any, NamedTuple

NORM_NAMES = {"2": "L2", "1": "L1", "inf": "L∞"}
"""The name of a norm in a rule -> its name in tables and figures, in the order of the tables."""


class Budget(NamedTuple):
    """The norm of an attack, None if its rows name none, and its eps, None if it is unbounded."""

    norm: str | None
    eps: float | None


class Sweep(NamedTuple):
    """Attacks of one family, attack -> eps by rising eps; one attack alone may have no budget."""

    name: str
    norm: str | None
    budgets: dict[str, float | None]


def budgets(attacks: Mapping[str, Mapping[str, Any]]) -> dict[str, Budget]:
    """The nominal budget of each attack of name -> {`norm`, `eps`, `equal_norm`, ...}.

    A control has the budget of the attack whose norm it copies.
    """
    nominal = {}
    for name, attack in attacks.items():
        bounded = attacks.get(attack["equal_norm"], attack)
        nominal[name] = Budget(bounded["norm"], None if bounded["eps"] is None else same_eps(bounded["eps"]))
    return nominal


def same_eps(eps: float) -> float:
    """eps rounded so that budgets which differ only by their rounding to float32, such as 4/255, are equal."""
    return float(f"{255 * eps:.7g}") / 255


def sweeps(attacks: Mapping[str, Mapping[str, Any]]) -> list[Sweep]:
    """The sweeps among name -> {`family`, `norm`, `eps`, `equal_norm`, ...}, in alphabetical order of the families.

    An attack whose budget is missing, or equal to that of another attack of its family, is a sweep of one under its
    own name: it would have no column in a table of budgets.
    """
    members: dict[str, dict[str, Budget]] = {}
    for name, budget in sorted(budgets(attacks).items()):
        members.setdefault(attacks[name]["family"] or name, {})[name] = budget
    listed = []
    for family, budget_of in members.items():
        values = list(budget_of.values())
        alone = {n for n, one in budget_of.items() if len(budget_of) > 1 and (one.eps is None or values.count(one) > 1)}
        listed += [Sweep(name, budget_of[name].norm, {name: budget_of[name].eps}) for name in alone]
        together = {name: one for name, one in budget_of.items() if name not in alone}
        for norm in dict.fromkeys(one.norm for one in together.values()):
            eps_of = {name: one.eps for name, one in together.items() if one.norm == norm}
            listed.append(Sweep(family, norm, dict(sorted(eps_of.items(), key=lambda item: item[1] or 0.0))))
    return sorted(listed, key=lambda sweep: (sweep.name, str(sweep.norm)))
