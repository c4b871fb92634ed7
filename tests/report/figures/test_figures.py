"""Every figure shows what the rows say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.report.figures.success import decades
from tests.made_run import random_rows
from tests.report.figures.drawn_figures import IDS, figures_of, four_rows, sweep


def test_success_over_a_norm_rises_at_each_success(tmp_path: Path) -> None:
    rows = random_rows("asma", IDS)
    found = figures_of(tmp_path, rows)
    assert list(found) == ["norm-l2", "passes", "steps", "distribution"]
    (line,) = found["norm-l2"].lines
    reached = sorted(row["l2"] for row in rows if row["success8"])
    assert line.x[1:-1] == pytest.approx(reached)
    assert line.y[1:-1] == pytest.approx([(k + 1) / 9 for k in range(len(reached))])
    (cells,) = found["norm-l2"].table.rows
    assert cells[-1] == f"{100 * len(reached) / 9:.1f}"
    half = next((f"{x:.4g}" for k, x in enumerate(reached) if (k + 1) / 9 >= 0.5), "inf")
    assert cells[2] == half


def test_a_figure_for_each_norm_that_an_attack_is_about(tmp_path: Path) -> None:
    found = figures_of(tmp_path, [*four_rows("asma"), *four_rows("alma_prox", norm="inf")])
    assert list(found) == ["norm-l2", "norm-linf", "passes", "steps", "distribution"]
    for key, thin in (("norm-l2", [True, False]), ("norm-linf", [False, True])):
        assert [line.thin for line in found[key].lines] == thin
        assert found[key].note == "thin: attacks on other norms"


def test_success_ends_at_its_rate(tmp_path: Path) -> None:
    rows = four_rows("asma")
    rows[3] |= {"success8": False}
    asma, dag = figures_of(tmp_path, [*rows, *four_rows("dag")])["norm-l2"].lines
    assert (asma.y[0], asma.y[-1], dag.y[-1]) == (0, 0.75, 1)
    assert asma.x[1:-1] == pytest.approx([1, 2, 3])


def test_without_any_success_there_are_still_axes(tmp_path: Path) -> None:
    figure = figures_of(tmp_path, random_rows("asma", IDS, success8=False, success_passes=None))["norm-l2"]
    assert set(figure.lines[0].y) == {0.0}
    assert figure.x.limits == (0.1, 10)
    assert figure.table.rows[0][1:] == ["inf"] * 4 + ["0.0"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.1, 10, [0.1, 0.2, 0.5, 1, 2, 5, 10]),
        (1, 1000, [1, 10, 100, 1000]),
        (29, 111, [30, 50, 70, 100]),
        (2.4, 7.2, [3, 5, 7]),
        (3.01, 4.7, [3.5, 4, 4.5]),
    ],
)
def test_an_axis_has_ticks_however_short_it_is(low: float, high: float, ticks: list[float]) -> None:
    assert decades(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize("low", np.geomspace(0.1, 1, 50))
def test_a_single_success_has_ticks_around_it(low: float) -> None:
    assert len(decades(low, low * 1.25**2)) >= 2


def test_passes_of_a_sweep_are_those_of_the_largest_budget(tmp_path: Path) -> None:
    rows = [one for eps in (2, 10) for one in four_rows(f"pgd@{eps}", family="pgd", eps=float(eps), success8=eps == 10)]
    figure = figures_of(tmp_path, rows)["passes"]
    assert figure.lines[0].y[-1] == 1
    assert figure.note == "of several budgets the largest"


def test_budgets_have_their_own_figures(tmp_path: Path) -> None:
    rows = sweep()
    found = figures_of(tmp_path, rows)
    success, score = found["budget-inf-success_rate"], found["budget-inf-median_iou"]
    (line,) = success.lines
    assert line.marked
    assert line.x == success.x.ticks == pytest.approx([1, 2, 4])
    by_budget = [[row for row in rows if row["attack"] == f"pgd@{eps}"] for eps in (1, 2, 4)]
    assert line.y == pytest.approx([np.mean([row["success"] for row in its]) for its in by_budget])
    assert score.lines[0].y == pytest.approx([np.median([row["adv_iou_target"] for row in its]) for its in by_budget])
    (box,) = found["distribution"].boxes
    assert box.values == [row["adv8_iou_target"] for row in by_budget[2]]
    assert box.names == IDS


def test_the_mean_iou_over_steps_is_that_of_the_traces(tmp_path: Path) -> None:
    (line,) = figures_of(tmp_path, random_rows("asma", IDS))["steps"].lines
    assert line.x == [0, 1, 2, 3, 4]
    assert line.y == pytest.approx([0.3, 0.4, 0.5, 0.6, 0.7])


def test_runs_are_told_apart_without_colour(tmp_path: Path) -> None:
    found = figures_of(tmp_path, random_rows("asma", IDS, 1, victim="unet"), random_rows("asma", IDS, 2, victim="fpn"))
    looks = found["norm-l2"].looks
    assert [look.label for look in looks] == ["asma · unet", "asma · fpn"]
    assert len({look.dashes for look in looks}) == len({look.marker for look in looks}) == 2
    assert len({look.colour for look in looks}) == 1


def test_a_control_is_dashed_in_the_colour_of_what_it_copies(tmp_path: Path) -> None:
    copied = four_rows("noise", equal_norm="dag", success8=False)
    _, dag, noise = figures_of(tmp_path, [*four_rows("asma"), *four_rows("dag"), *copied])["norm-l2"].looks
    assert noise.colour == dag.colour
    assert not dag.dashes
    assert noise.dashes


def test_a_swept_control_is_dashed_in_the_colour_of_the_sweep(tmp_path: Path) -> None:
    swept = [one for eps in (2, 10) for one in four_rows(f"pgd@{eps}", family="pgd", norm="inf", eps=eps / 255)]
    control = [
        one | {"attack": f"noise@{one['attack'][4:]}", "family": "noise", "equal_norm": one["attack"]} for one in swept
    ]
    found = figures_of(tmp_path, [*four_rows("asma"), *swept, *control])
    asma, *both = found["norm-l2"].looks
    for noise, pgd in (both, found["budget-inf-success_rate"].looks):
        assert noise.colour == pgd.colour != asma.colour
        assert noise.dashes
        assert not pgd.dashes


def test_many_attacks_are_told_apart(tmp_path: Path) -> None:
    names = [f"attack {i:02d}" for i in range(16)]
    looks = figures_of(tmp_path, [one for name in names for one in four_rows(name)])["norm-l2"].looks
    assert [look.label for look in looks] == names
    assert len({(look.colour, look.dashes) for look in looks}) == 16


def test_describing_figures_draws_nothing() -> None:
    code = "import sys, benchmark.report.figures.all_figures; print({'matplotlib', 'plotly', 'torch'} & {*sys.modules})"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "set()"
