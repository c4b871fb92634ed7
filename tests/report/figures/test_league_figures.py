"""The lines of a league's figures are the points whose area its optimality is."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.report.figures.description import Figure
from benchmark.report.figures.league import league_figures
from benchmark.results.entries import entries
from benchmark.results.league import League, leagues
from benchmark.results.loaded_runs import read_results
from tests.made_run import make_run, random_rows

IDS = [f"im{k}" for k in range(9)]


def _drawn(folder: Path, victims: int) -> tuple[list[League], dict[str, Figure]]:
    folders = []
    for k in range(victims):
        rows = [
            one
            for seed, name in enumerate(("asma", "fmn", "dag"))
            for one in random_rows(name, IDS, seed + 9 * k, victim=f"victim{k}", target="erased")
        ]
        config = {"engine": {"max_passes": 300}}
        folders.append(make_run(folder / str(k), rows, pictures=False, config=config))
    results = read_results(folders)
    found = leagues(entries(results))
    return found, {figure.key: figure for figure in league_figures(found, results.runs)}


def test_the_area_under_a_line_gives_the_optimality(tmp_path: Path) -> None:
    (league,), found = _drawn(tmp_path, 1)
    assert list(found) == ["league-0-0"]
    figure, (field,) = found["league-0-0"], league.fields
    assert figure.title == "L2 league: victim0, erased"
    best, *areas = [np.trapezoid(line.y, line.x) for line in figure.lines]
    names = [line.look.label for line in figure.lines]
    most = float(field.envelope.max())
    assert names == ["envelope", "asma", "dag", "fmn"]
    assert all(line.x[-1] == most for line in figure.lines)
    for one in field.standings:
        area = areas[names.index(one.attack) - 1]
        assert 1 - (area - best) / (most - best) == pytest.approx(one.optimality)
    assert [row[0] for row in figure.table.rows] == names
    assert {row[0]: row[-1] for row in figure.table.rows[1:]} == {
        one.attack: f"{one.optimality:.3f}" for one in field.standings
    }


def test_several_scenarios_are_drawn_together_by_the_ratio_to_the_envelope(tmp_path: Path) -> None:
    (league,), found = _drawn(tmp_path, 2)
    assert list(found) == ["league-0-ratio", "league-0-0", "league-0-1"]
    figure = found["league-0-ratio"]
    for line, one in zip(figure.lines, sorted(league.standings, key=lambda one: one.attack), strict=True):
        assert line.look.label == one.attack
        assert line.y[0] == pytest.approx(1 - one.holds / one.images)
        assert line.y[-1] == pytest.approx(1 - one.reached / one.images)
    colours = {(line.look.label, line.look.colour) for each in found.values() for line in each.lines}
    assert len(colours) == 4


def test_without_a_success_nothing_is_drawn(tmp_path: Path) -> None:
    rows = [one for name in ("asma", "fmn") for one in random_rows(name, IDS, success8=False)]
    results = read_results([make_run(tmp_path / "run", rows, pictures=False)])
    assert league_figures(leagues(entries(results)), results.runs) == []


def test_attacks_that_are_ranked_as_one_have_a_line_of_their_own(tmp_path: Path) -> None:
    rows = [one for seed, name in enumerate(("asma", "fmn")) for one in random_rows(name, IDS, seed)]
    run = make_run(tmp_path / "run", rows, pictures=False, config={"engine": {"max_passes": 300}})
    results = read_results([run])
    (figure,) = league_figures(leagues(entries(results), presets=[("asma", "fmn")]), results.runs)
    assert [line.look.label for line in figure.lines] == ["envelope", "asma", "fmn", "asma + fmn"]
    # Of two attacks the smaller norms are the envelope.
    assert (figure.lines[3].x, figure.lines[3].y) == (figure.lines[0].x, figure.lines[0].y)
    assert len({(line.look.colour, line.look.dashes) for line in figure.lines}) == 4
