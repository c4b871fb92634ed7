"""Tables and CSV of a league say what its standings are, and what else has to be known."""

import csv
from pathlib import Path
from typing import Any

import pytest

from benchmark.report.tables.league_csv import league_csv
from benchmark.report.tables.league_table import league_grids
from benchmark.report.tables.table import TextTable
from benchmark.results.entries import Entry, entries
from benchmark.results.league import leagues
from benchmark.results.loaded_runs import read_results
from tests.example_rows import row
from tests.fixtures.spoilt import in_parts
from tests.made_run import make_run

PASSES = {"engine": {"max_passes": 300}}


def _attack(name: str, norms: list[float | None], **changes: Any) -> list[dict[str, Any]]:
    """One row per norm of the file, targeted; None is a failure."""
    fixed = {"targeted": True, "target": "erased", "success_clean": False, "success_passes": 20, "skipped": 0}
    return [
        row(str(i), attack=name, l2=norm or 9.0, success8=norm is not None, **(fixed | changes))
        for i, norm in enumerate(norms)
    ]


def _entries(folder: Path, *runs: list[dict[str, Any]], **said: Any) -> list[Entry]:
    made = [
        make_run(folder / f"run{k}", rows, pictures=False, **({"config": PASSES} | said)) for k, rows in enumerate(runs)
    ]
    return entries(read_results(made))


def _grids(compared: list[Entry]) -> list[TextTable]:
    return league_grids(leagues(compared), compared)


def test_one_scenario_is_one_table(tmp_path: Path) -> None:
    rows = [*_attack("fmn", [1.0, 2.0, 4.0, None]), *_attack("asma", [2.0, 2.0, None, None])]
    (grid,) = _grids(_entries(tmp_path, rows))
    assert grid.title == "League by L2 · targeted · iou to target >= 0.95 · 300 passes · victim, erased · 3 images"
    header = ["attack", "optimality", "95 % interval", "reached of", "holds the envelope", "alone"]
    more = ["norm/envelope median", "norm/envelope 90 %", "L2 median", "passes to success"]
    assert [name.replace("\n", " ") for name in grid.header] == [*header, *more]
    first, second = grid.rows
    assert first == ["fmn", "1.000", "1.000 to 1.000", "3 of 3", "3", "2", "1.000", "1.000", "2.000", "20"]
    # 1 − (7/3 − 5/3) / (4 − 5/3), see tests/results/test_league.py
    assert [*second[:2], *second[3:]] == ["asma", "0.714", "2 of 3", "1", "0", "2.000", "inf", "2.000", "20"]
    assert grid.notes[0] == "1 image that no attack reaches, left out."
    assert "With fewer than 50 images bootstrap intervals are too narrow." in grid.notes


def test_several_scenarios_have_a_table_over_all_and_one_of_optimalities(tmp_path: Path) -> None:
    first = [*_attack("fmn", [1.0, 2.0, 4.0]), *_attack("asma", [2.0, 2.0, None]), *_attack("dag", [4.0, 4.0, 4.0])]
    second = [*_attack("fmn", [3.0], victim="fpn"), *_attack("asma", [1.0], victim="fpn")]
    total, matrix, *each = _grids(_entries(tmp_path, first, second))
    assert total.title.endswith(" · 300 passes · 2 scenarios, 4 images")
    assert [line[0] for line in total.rows] == ["asma", "fmn", "dag"]
    assert total.rows[2][1:4] == ["-", "-", "3 of 3"]
    assert matrix.header == ["attack", "victim, erased", "fpn, erased"]
    assert matrix.rows == [
        ["asma", "0.714", "1.000"],
        ["fmn", "1.000", "0.000"],
        ["dag", "0.286", "-"],
    ]  # dag: 1 − (10/3 − 5/3) / (7/3)
    assert [grid.title.split(" · ")[4] for grid in each] == ["victim, erased", "fpn, erased"]
    assert "An attack that is not in all scenarios has no mean, and a smaller set of images." in total.notes
    assert [grid.notes for grid in each] == [[], []]


def test_without_a_success_there_are_dashes(tmp_path: Path) -> None:
    (grid,) = _grids(_entries(tmp_path, [*_attack("fmn", [None]), *_attack("asma", [None])]))
    assert grid.rows == [[name, "-", "-", "0 of 0", "0", "0", *["-"] * 4] for name in ("asma", "fmn")]
    victim = [_attack("fmn", [1.0]), _attack("fmn", [None], victim="fpn")]
    total, *_ = _grids(_entries(tmp_path / "two", *victim))
    assert "Without a success, and so not in the mean: fpn, erased." in total.notes


def test_what_limits_the_comparison_is_said(tmp_path: Path) -> None:
    finding = {"name": "random", "refused": False, "what": "it answers at random", "cure": "fix it"}
    rows = [*_attack("fmn", [1.0]), *_attack("pgd", [1.0], eps=0.5), *_attack("noise", [1.0], equal_norm="fmn")]
    (grid,) = _grids(_entries(tmp_path, rows, config={}, environment={"victim_check": {"findings": [finding]}}))
    assert "each attack with its own steps · victim, erased [doubtful: random] · 1 image" in grid.title
    said = " ".join(grid.notes)
    for part in (
        "An attack alone is its own envelope: its optimality is 1 by definition.",
        f"{tmp_path / 'run0'} sets no engine.max_passes",
        "Without a place, because they have a budget or copy another's norm: noise, pgd.",
        "Doubtful victim victim: random: it answers at random; fix it.",
        "cannot be computed again",
    ):
        assert part in said


def test_other_settings_under_one_name_are_said(tmp_path: Path) -> None:
    folders = []
    for victim, step in (("unet", 1), ("fpn", 2)):
        config = PASSES | {"attacks": {"fmn": {"rule": {"step_size": step}}}}
        folders.append(make_run(tmp_path / victim, _attack("fmn", [1.0], victim=victim), pictures=False, config=config))
    total, *_ = _grids(entries(read_results(folders)))
    assert "An attack of one name has other settings in another run: rule.step_size." in total.notes


def test_the_file_of_numbers_has_a_line_for_each_attack_and_scenario(tmp_path: Path) -> None:
    first = [*_attack("fmn", [1.0, 2.0, 4.0]), *_attack("asma", [2.0, 2.0, None])]
    second = [*_attack("fmn", [None], victim="fpn"), *_attack("asma", [1.0], victim="fpn")]
    found = leagues(_entries(tmp_path, first, second))
    lines = list(csv.DictReader(league_csv(found).splitlines()))
    named = [(line["scenario"], line["victim"], line["attack"]) for line in lines]
    assert named == [
        *(("all scenarios", "", name) for name in ("asma", "fmn")),
        *(("victim, erased", "victim", name) for name in ("fmn", "asma")),
        *(("fpn, erased", "fpn", name) for name in ("asma", "fmn")),
    ]
    asma = lines[3]
    assert float(asma["optimality"]) == pytest.approx(1 - (7 / 3 - 5 / 3) / (4 - 5 / 3))
    assert (asma["norm"], asma["max_passes"], asma["of"], asma["ratio90"]) == ("2", "300", "8-bit file", "inf")
    assert (lines[5]["optimality"], lines[5]["ci95_low"], lines[5]["median"]) == ("0.0", "", "inf")
    assert league_csv([]) == ""


def test_attacks_that_are_ranked_as_one_are_explained(tmp_path: Path) -> None:
    compared = _entries(tmp_path, [*_attack("fmn", [1.0, 3.0]), *_attack("asma", [2.0, 2.0])])
    (grid,) = league_grids(leagues(compared, presets=[("fmn", "asma")]), compared)
    assert {row[0]: row[6] for row in grid.rows} == {"fmn + asma": "1.000", "asma": "1.500", "fmn": "1.250"}
    assert any(note.startswith("fmn + asma: image by image the smaller norm") for note in grid.notes)


@pytest.mark.parametrize(
    ("engine", "judge", "said"),
    [
        ({"max_passes": 1000}, None, "engine.max_passes"),
        ({}, None, "engine.max_passes"),
        ({"max_passes": 300}, "iou to target >= 0.5", "judge"),
        ({"max_passes": 1000, "precision": 64}, None, "engine.precision or engine.max_passes"),
    ],
)
def test_it_is_said_why_runs_are_not_ranked_together(
    tmp_path: Path, engine: dict[str, Any], judge: str | None, said: str
) -> None:
    first = _entries(tmp_path / "a", _attack("fmn", [1.0]))
    changes = {} if judge is None else {"judge": judge}
    second = _entries(tmp_path / "b", _attack("mine", [1.0], **changes), config={"engine": engine})
    grids = _grids([*first, *second])
    assert len(grids) == 2
    for grid in grids:
        assert f"Attacks of other {said} stand in a league of their own: nothing is ranked across them." in grid.notes
    (alone,) = _grids(first)
    assert not any("league of their own" in note for note in alone.notes)


def test_a_run_that_has_not_finished_is_named(tmp_path: Path) -> None:
    (folder,) = [entry.run.folder.path for entry in _entries(tmp_path, _attack("fmn", [1.0, 2.0])) if entry.run]
    in_parts(folder)
    (grid,) = _grids(entries(read_results([folder])))
    assert f"{folder} has not finished: its rows so far are ranked." in grid.notes


def test_a_scenario_with_one_attack_is_named(tmp_path: Path) -> None:
    rows = [*_attack("fmn", [1.0]), *_attack("asma", [2.0])], _attack("mine", [1.0], seed=9)
    total, *_ = _grids(_entries(tmp_path, *rows))
    assert "With one attack only, which is its own envelope there: victim, erased · seed 9." in total.notes
