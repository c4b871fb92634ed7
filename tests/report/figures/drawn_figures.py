"""The figures of rows, by key."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.report.figures.all_figures import figures
from benchmark.report.figures.description import Figure
from benchmark.results.loaded_runs import read_results
from tests.example_rows import row
from tests.made_run import make_run, random_rows

IDS = [f"im{k}" for k in range(9)]


def figures_of(folder: Path, *runs: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
    """Those of runs with these rows, which are written below `folder`."""
    folders = [make_run(folder / str(k), rows, pictures=False) for k, rows in enumerate(runs)]
    return {figure.key: figure for figure in figures(read_results(folders))}


def four_rows(attack: str, **changes: Any) -> list[dict[str, Any]]:
    """Successes with the L2 norms 1 to 4, L∞ norms .01 to .04 and 1 to 4 passes."""
    return [
        row(str(i), attack=attack, l2=1.0 + i, linf=0.01 * (i + 1), success_passes=i + 1, **changes) for i in range(4)
    ]


def sweep(seed: int = 0) -> list[dict[str, Any]]:
    """Nine images, attacked at the budgets 1/255, 2/255 and 4/255."""
    return [
        row
        for k, eps in enumerate((1, 2, 4))
        for row in random_rows(f"pgd@{eps}", IDS, seed + k, family="pgd", norm="inf", eps=eps / 255)
    ]
