"""The figures of a run as one picture."""

from pathlib import Path

from benchmark.report.figures.all_figures import figures
from benchmark.report.figures.figure_file import save_figures
from benchmark.results.loaded_runs import Results


def draw_curves(results: Results, path: Path) -> Path:
    """Draw the figures of the results, whose title is that of the first run. Raises ValueError if there are none."""
    title = "{victim} on {data} ({split})".format(**results.runs[0].rows[0])
    return save_figures(path, figures(results), title)
