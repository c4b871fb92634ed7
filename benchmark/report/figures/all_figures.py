"""All figures of a report, for the page and for curves.png alike.

A new figure is one function that takes `Results` and returns its descriptions; `FIGURES` lists it.
"""

from collections.abc import Callable

from benchmark.report.figures.description import Figure
from benchmark.report.figures.scores import iou_by_image, iou_over_steps
from benchmark.report.figures.success import over_budgets, success_over_norms, success_over_passes
from benchmark.results.loaded_runs import Results

FIGURES: tuple[Callable[[Results], list[Figure]], ...] = (
    success_over_norms,
    success_over_passes,
    over_budgets,
    iou_over_steps,
    iou_by_image,
)


def figures(results: Results) -> list[Figure]:
    """Every figure that the runs and cards have something to show in."""
    return [figure for describe in FIGURES for figure in describe(results) if figure.lines or figure.boxes]
