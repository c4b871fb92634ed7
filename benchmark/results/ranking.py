"""The order of attacks in tables: norm by norm, because an attack on one norm does not minimise another."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.results.budget_sweeps import NORM_NAMES, budgets, sweeps
from benchmark.results.column_arrays import NORM_COLUMNS

Summaries = Sequence[Mapping[str, Any]]


def by_norm(summaries: Summaries) -> dict[str, list[Mapping[str, Any]]]:
    """Norm ("2", "1" or "inf") -> the summaries of the attacks on it; norms without an attack are left out.

    A control is listed with the attack whose norm it copies, an attack that names no norm under L2.
    """
    nominal = budgets({one["attack"]: one for one in summaries})
    norms = {one["attack"]: str(nominal[one["attack"]].norm) for one in summaries}
    norms = {name: norm if norm in NORM_NAMES else "2" for name, norm in norms.items()}
    chosen = {norm: [one for one in summaries if norms[one["attack"]] == norm] for norm in NORM_NAMES}
    return {norm: members for norm, members in chosen.items() if members}


def ranked(summaries: Summaries) -> dict[str, list[Mapping[str, Any]]]:
    """`by_norm`, sorted by falling success, then by the smaller median of that norm, then by name.

    Each sweep is represented by the attack with the largest budget.
    """
    swept = sweeps({one["attack"]: one for one in summaries})
    largest = {list(sweep.budgets)[-1] for sweep in swept}
    return {
        norm: sorted((one for one in members if one["attack"] in largest), key=lambda one: _rank(one, norm))
        for norm, members in by_norm(summaries).items()
    }


def _rank(one: Mapping[str, Any], norm: str) -> tuple[float, float, str]:
    median = one[NORM_COLUMNS[norm]]["median_all8"]
    return -(one["success8_rate"] or 0), math.inf if median is None else median, one["attack"]
