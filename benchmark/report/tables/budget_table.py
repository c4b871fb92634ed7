"""Tables over budgets: success and IoU of each family at each of its budgets.

They describe the float32 result, which is within the budget. The 8-bit file may exceed it by 0.5/255.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.report.tables.table import TextTable, number
from benchmark.results.budget_sweeps import NORM_NAMES, Sweep, sweeps
from benchmark.results.ranking import Summaries
from benchmark.results.truth_name import data_notes, truth_name


def budget_grids(summaries: Summaries) -> list[TextTable]:
    """For each norm in which budgets were swept: a table of success and tables of the mean IoU, by family and budget.

    Families are sorted by falling mean success, then by name. A control has the budgets of the attacks that it copies.
    """
    by_attack = {one["attack"]: one for one in summaries}
    swept = [sweep for sweep in sweeps(by_attack) if len(sweep.budgets) > 1]
    grids = []
    for norm in NORM_NAMES:
        chosen = {sweep.name: sweep for sweep in swept if sweep.norm == norm}
        rates = {name: _by_budget(sweep, by_attack, "success_rate") for name, sweep in chosen.items()}
        order = sorted(chosen, key=lambda name: (-sum(rates[name].values()) / max(1, len(rates[name])), name))
        if order:
            grids.append(_grid("Success", norm, {name: rates[name] for name in order}))
        for targeted, reference in ((True, "target"), (False, "truth")):
            aimed = [n for n in order if bool(by_attack[next(iter(chosen[n].budgets))]["targeted"]) == targeted]
            scores = {name: _by_budget(chosen[name], by_attack, f"adv_iou_{reference}") for name in aimed}
            if scores:
                shown = [by_attack[attack] for n in aimed for attack in chosen[n].budgets]
                name = "target" if targeted else truth_name(shown)
                grids.append(_grid(f"Mean IoU to {name}", norm, scores, [] if targeted else data_notes(shown)))
    return grids


def _by_budget(sweep: Sweep, by_attack: Mapping[str, Mapping[str, Any]], name: str) -> dict[float, float]:
    """Budget -> the value of `name` in the summary, or its mean; missing values are left out."""
    values = {}
    for attack, eps in sweep.budgets.items():
        value = by_attack[attack][name]
        value = value["mean"] if isinstance(value, Mapping) else value
        if eps is not None and value is not None:
            values[eps] = float(value)
    return values


def _grid(
    measure: str, norm: str, families: Mapping[str, Mapping[float, float]], notes: Sequence[str] = ()
) -> TextTable:
    success = measure == "Success"
    factor, decimals = (100, 1) if success else (1, 3)
    scale, in255 = (255, " · 255") if norm == "inf" else (1, "")
    budgets = sorted({eps for values in families.values() for eps in values})
    rows = [
        [name, *(number(values.get(eps), factor, decimals) for eps in budgets)] for name, values in families.items()
    ]
    title = f"{measure}{' in %' if success else ''}, by budget {NORM_NAMES[norm]}{in255}"
    note = "in float, within the budget; the 8-bit file may exceed it by half a gray level."
    header = ["attack", *(f"{eps * scale:.5g}" for eps in budgets)]
    return TextTable(title, header, rows, [f"{'Success' if success else 'IoU'} {note}", *notes])
