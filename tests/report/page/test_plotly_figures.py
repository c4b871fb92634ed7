"""The page's figures: what they draw is what rows say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from benchmark.report.page.plotly_figures import Plot, plots
from benchmark.results.loaded import read_results
from tests.made_run import make_run, random_rows

IDS = [f"im{k}" for k in range(9)]


def _plots(tmp_path: Path, *runs: list[dict[str, Any]]) -> dict[str, Plot]:
    folders = [make_run(tmp_path / str(k), rows, pictures=False) for k, rows in enumerate(runs)]
    return {plot.key: plot for plot in plots(read_results(folders))}


def _sweep(seed: int = 0) -> list[dict[str, Any]]:
    return [
        row
        for k, eps in enumerate((1, 2, 4))
        for row in random_rows(f"pgd@{eps}", IDS, seed + k, family="pgd", norm="inf", eps=eps / 255)
    ]


def test_success_over_a_norm_rises_at_each_success(tmp_path: Path) -> None:
    rows = random_rows("asma", IDS)
    found = _plots(tmp_path, rows)
    assert list(found) == ["norm-l2", "passes", "steps", "distribution"]
    (line,) = found["norm-l2"].data
    reached = sorted(row["l2"] for row in rows if row["success8"])
    assert line["x"][1:-1] == pytest.approx(reached, rel=1e-6)
    assert line["y"][1:-1] == pytest.approx([(k + 1) / 9 for k in range(len(reached))], rel=1e-6)
    (cells,) = found["norm-l2"].table.rows
    assert cells[-1] == f"{100 * len(reached) / 9:.1f}"
    half = next((f"{x:.4g}" for k, x in enumerate(reached) if (k + 1) / 9 >= 0.5), "inf")
    assert cells[2] == half


def test_the_mean_iou_over_steps_is_that_of_the_traces(tmp_path: Path) -> None:
    (line,) = _plots(tmp_path, random_rows("asma", IDS))["steps"].data
    assert line["x"] == [0, 1, 2, 3, 4]
    assert line["y"] == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.7])


def test_budgets_have_their_own_figures(tmp_path: Path) -> None:
    rows = _sweep()
    found = _plots(tmp_path, rows)
    (line,) = found["budget-inf-success_rate"].data
    assert line["x"] == pytest.approx([1, 2, 4])
    expected = [np.mean([row["success"] for row in rows if row["attack"] == f"pgd@{eps}"]) for eps in (1, 2, 4)]
    assert line["y"] == pytest.approx(expected)
    (box,) = found["distribution"].data
    assert box["x"] == pytest.approx([row["adv8_iou_target"] for row in rows if row["attack"] == "pgd@4"], rel=1e-6)


def test_runs_lie_over_each_other_and_are_told_apart_without_colour(tmp_path: Path) -> None:
    found = _plots(tmp_path, random_rows("asma", IDS, 1, victim="unet"), random_rows("asma", IDS, 2, victim="fpn"))
    lines = found["norm-l2"].data
    assert [line["name"] for line in lines] == ["asma · unet", "asma · fpn"]
    assert len({line["line"]["dash"] for line in lines}) == 2
    assert len({line["line"]["color"] for line in lines}) == 1


def test_plotly_takes_every_figure(tmp_path: Path) -> None:
    for plot in _plots(
        tmp_path, [*random_rows("asma", IDS), *_sweep()], random_rows("dag", IDS, victim="fpn")
    ).values():
        go.Figure(list(plot.data), plot.layout)
        json.dumps([plot.data, plot.layout], allow_nan=False)


def test_without_any_success_there_are_still_axes(tmp_path: Path) -> None:
    found = _plots(tmp_path, random_rows("asma", IDS, success8=False, success_passes=None))
    (line,) = found["norm-l2"].data
    assert set(line["y"]) == {0.0}
    assert found["norm-l2"].table.rows[0][1:] == ["inf"] * 4 + ["0.0"]
