"""Rows to curves: which share of the attacked images succeeds within a norm, a number of passes, a budget.

Success and norms are those of the 8-bit file, but over budgets those of the float32 result; a failure is never reached.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.budget_sweeps import sweeps
from benchmark.results.columns import Rows, attacked_rows, column, cost_of_success, flag, shared
from benchmark.runs.tables import group_rows

_FACTS = ("family", "norm", "eps", "equal_norm")


@dataclass(frozen=True)
class Curve:
    """A step function: `share` (M,) of the `images` has succeeded from each of `x` (M,) on, both ascending."""

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
    """What an attack reaches within `eps`: rate of success (None if nothing was attacked) and median IoU, to the target
    if `targeted`, else to the truth; of the float32 results, because the files may exceed the budget."""

    attack: str
    eps: float
    targeted: bool
    success_rate: float | None
    median_iou: float


@dataclass(frozen=True)
class Family:
    """Attacks that differ in their budget only, by rising budget; an attack without a budget is alone.

    `norm` ("1", "2", "inf") is its rows', or that of the attacks a control copies, None where they do not say; `copied`
    is the name of the family that it copies, None if it is no control. `budgets` has the eps of each attack.
    """

    name: str
    norm: str | None
    copied: str | None
    attacks: Mapping[str, Rows]
    budgets: Mapping[str, float | None]

    @property
    def swept(self) -> bool:
        """Whether there are several budgets."""
        return len(self.attacks) > 1


def families(rows: Iterable[Mapping[str, Any]]) -> list[Family]:
    """The families among rows, in alphabetical order; rows that name none are by attack."""
    by_attack = group_rows(sorted(rows, key=lambda row: (row["attack"], row["id"])), "attack")
    found = sweeps({name: {fact: shared(its, fact) for fact in _FACTS} for name, its in by_attack.items()})
    family_of = {attack: sweep.name for sweep in found for attack in sweep.budgets}
    families = []
    for sweep in found:
        attacks = {attack: by_attack[attack] for attack in sweep.budgets}
        copied = next(iter(attacks.values()))[0]["equal_norm"]
        families.append(Family(sweep.name, sweep.norm, family_of.get(copied, copied), attacks, sweep.budgets))
    return families


def curve(costs: NDArray[np.float64]) -> Curve:
    """The curve of what each image's success takes (N,), infinite where there is none."""
    x, counts = np.unique(costs[np.isfinite(costs)], return_counts=True)
    return Curve(x, counts.cumsum() / max(len(costs), 1), len(costs))


def success_by_norm(family: Family, name: str) -> Curve:
    """Over the norm column `name`: "l1", "l2" or "linf". With several budgets, an image's best success counts."""
    cheapest: dict[str, float] = {}
    for rows in family.attacks.values():
        attacked = attacked_rows(rows)
        for row, cost in zip(attacked, cost_of_success(attacked, name).tolist(), strict=True):
            cheapest[row["id"]] = min(cost, cheapest.get(row["id"], math.inf))
    return curve(np.array(list(cheapest.values())))


def success_by_passes(rows: Rows) -> Curve:
    """Of one attack, over forwards and backwards together."""
    return curve(cost_of_success(attacked_rows(rows), "success_passes"))


def by_budget(family: Family) -> list[BudgetPoint]:
    """One point per budget, rising; none of an attack without a budget."""
    points = []
    for attack, eps in family.budgets.items():
        if eps is None:
            continue
        rows = family.attacks[attack]
        attacked = attacked_rows(rows)
        rate = float(flag(attacked, "success").mean()) if attacked else None
        targeted = bool(rows[0]["targeted"])
        scores = column(rows, "adv_iou_target" if targeted else "adv_iou_truth")
        points.append(BudgetPoint(attack, eps, targeted, rate, float(np.median(scores))))
    return points
