"""Curves of rows: the share of the attacked images that succeeds within a norm, a number of passes, or a budget.

Success and norms are those of the 8-bit file; over budgets, those of the float32 result. A failed image never counts.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.budget_sweeps import sweeps
from benchmark.results.column_arrays import Rows, attacked_rows, column, cost_of_success, flag, shared
from benchmark.results.intervals import rate
from benchmark.runs.tables import group_rows

_FACTS = ("family", "norm", "eps", "equal_norm")


@dataclass(frozen=True)
class Curve:
    """A step function: from each `x` (M,) on, `share` (M,) of the `images` have succeeded; both ascend."""

    x: NDArray[np.float64]
    share: NDArray[np.float64]
    images: int

    def at(self, x: float) -> float:
        """The share that has succeeded at `x`; NaN without images."""
        if self.images == 0:
            return math.nan
        reached = int(np.searchsorted(self.x, x, side="right"))
        return float(self.share[reached - 1]) if reached else 0.0


@dataclass(frozen=True)
class BudgetPoint:
    """The float32 results of an attack with the budget `eps`, because files may exceed it.

    `median_iou` is to the target of a `targeted` attack, else to the truth. `success_rate` is None if no image was
    attacked.
    """

    attack: str
    eps: float
    targeted: bool
    success_rate: float | None
    median_iou: float


@dataclass(frozen=True)
class Family:
    """Attacks that differ only in their budget; an attack without a budget is a family of one.

    Attributes:
        norm: "1", "2" or "inf", for a control that of the attacks it copies; None if the rows name none.
        copied: the family whose norms it copies; None if it is no control.
        attacks: attack -> its rows, by rising budget.
        budgets: attack -> its eps, None for no budget.
    """

    name: str
    norm: str | None
    copied: str | None
    attacks: Mapping[str, Rows]
    budgets: Mapping[str, float | None]

    @property
    def swept(self) -> bool:
        """Whether it has several budgets."""
        return len(self.attacks) > 1


def families(rows: Iterable[Mapping[str, Any]]) -> list[Family]:
    """The families among the rows, in alphabetical order; a row without a family counts under its attack."""
    by_attack = group_rows(sorted(rows, key=lambda row: (row["attack"], row["id"])), "attack")
    swept = sweeps({name: {fact: shared(members, fact) for fact in _FACTS} for name, members in by_attack.items()})
    family_of = {attack: sweep.name for sweep in swept for attack in sweep.budgets}
    families = []
    for sweep in swept:
        attacks = {attack: by_attack[attack] for attack in sweep.budgets}
        copied = next(iter(attacks.values()))[0]["equal_norm"]
        families.append(Family(sweep.name, sweep.norm, family_of.get(copied, copied), attacks, sweep.budgets))
    return families


def curve(costs: NDArray[np.float64]) -> Curve:
    """The curve of the cost of each image's success (N,), which is infinite for a failure."""
    x, counts = np.unique(costs[np.isfinite(costs)], return_counts=True)
    return Curve(x, counts.cumsum() / max(len(costs), 1), len(costs))


def success_by_norm(family: Family, name: str) -> Curve:
    """Success over the norm `name`, "l1", "l2" or "linf". With several budgets, each image's smallest norm counts."""
    cheapest: dict[str, float] = {}
    for rows in family.attacks.values():
        attacked = attacked_rows(rows)
        for row, cost in zip(attacked, cost_of_success(attacked, name).tolist(), strict=True):
            cheapest[row["id"]] = min(cost, cheapest.get(row["id"], math.inf))
    return curve(np.array(list(cheapest.values())))


def success_by_passes(rows: Rows) -> Curve:
    """Success of one attack over forward and backward passes together."""
    return curve(cost_of_success(attacked_rows(rows), "success_passes"))


def by_budget(family: Family) -> list[BudgetPoint]:
    """One point for each budget, by rising budget; empty for an attack without a budget."""
    points = []
    for attack, eps in family.budgets.items():
        if eps is not None:
            rows, targeted = family.attacks[attack], bool(family.attacks[attack][0]["targeted"])
            success = rate("rate", flag(attacked_rows(rows), "success"))["rate"]
            scores = column(rows, "adv_iou_target" if targeted else "adv_iou_truth")
            points.append(BudgetPoint(attack, eps, targeted, success, float(np.median(scores))))
    return points
