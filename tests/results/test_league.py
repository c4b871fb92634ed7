"""The league computed from rows: who takes part, what is one scenario, and the numbers of each attack."""

import math
from pathlib import Path
from typing import Any

import pytest

from benchmark.results.entries import Entry, entries
from benchmark.results.league import League, Standing, leagues
from benchmark.results.league_scenarios import passes_of
from benchmark.results.loaded_runs import read_results
from tests.example_rows import row
from tests.made_run import make_run

PASSES = {"engine": {"max_passes": 300}}


def attack(name: str, norms: list[float | None], **changes: Any) -> list[dict[str, Any]]:
    """One row per L2 norm of the file, targeted; None is a failure. The first success comes after 10 passes each."""
    fixed = {"attack": name, "targeted": True, "target": "other_image:a", "success_clean": False}
    return [
        row(str(i), l2=norm or 9.0, success8=norm is not None, success_passes=10 * i + 10, **(fixed | changes))
        for i, norm in enumerate(norms)
    ]


def compared(folder: Path, *runs: list[dict[str, Any]], configs: tuple[dict[str, Any], ...] = ()) -> list[Entry]:
    """The entries of runs with these rows, which are written below `folder`; each has 300 passes unless said."""
    made = [
        make_run(folder / f"run{k}", rows, pictures=False, config=configs[k] if configs else PASSES)
        for k, rows in enumerate(runs)
    ]
    return entries(read_results(made))


def only(found: list[League]) -> League:
    (league,) = found
    return league


def by_attack(standings: list[Standing]) -> dict[str, Standing]:
    return {one.attack: one for one in standings}


def test_one_scenario_by_hand(tmp_path: Path) -> None:
    rows = [*attack("fmn", [1.0, 2.0, 4.0, None]), *attack("asma", [2.0, 2.0, None, None])]
    (field,) = only(leagues(compared(tmp_path, rows))).fields
    assert (field.attacks, field.unreached, field.satisfied) == (["asma", "fmn"], 1, 0)
    assert field.envelope.tolist() == [1, 2, 4]
    first, second = field.standings
    assert (first.attack, first.optimality, first.ci95) == ("fmn", 1, [1, 1])
    assert (first.reached, first.images, first.holds, first.alone) == (3, 3, 3, 2)
    assert (first.ratio, first.ratio90, first.median, first.passes) == (1, 1, 2, 20)
    # Points (0, 1), (2, 2/3), (2, 1/3), (4, 1/3): the area is 5/3 + 2/3, that of the envelope 5/3, of no success 4.
    assert second.optimality == pytest.approx(1 - (7 / 3 - 5 / 3) / (4 - 5 / 3))
    assert (second.reached, second.images, second.holds, second.alone) == (2, 3, 1, 0)
    assert (second.ratio, second.ratio90, second.median, second.passes) == (2, math.inf, 2, 20)


def test_a_clean_image_that_satisfies_the_judge_has_the_norm_0(tmp_path: Path) -> None:
    rows = [*attack("fmn", [1.0, 2.0, 4.0]), *attack("asma", [2.0, None, None])]
    rows += [row("clean", attack=one["attack"], success_clean=True, success8=False, **_same(one)) for one in rows[::3]]
    (field,) = only(leagues(compared(tmp_path, rows))).fields
    found = by_attack(field.standings)
    assert (field.satisfied, field.unreached, sorted(field.envelope.tolist())) == (1, 0, [0, 1, 2, 4])
    # The same area for all, so that it changes no optimality: that of three images, (0, 1), (2, 2/3), (4, 2/3).
    assert found["asma"].optimality == pytest.approx(1 - (3 - 5 / 3) / (4 - 5 / 3))
    assert (found["asma"].images, found["asma"].reached, found["fmn"].alone) == (3, 1, 3)


def _same(one: dict[str, Any]) -> dict[str, Any]:
    return {name: one[name] for name in ("targeted", "target", "family")}


@pytest.mark.parametrize("norm", [0.0, -1.0, math.nan])
def test_a_norm_that_no_success_can_have_is_a_failure(tmp_path: Path, norm: float) -> None:
    rows = [*attack("fmn", [1.0, 2.0]), *attack("mine", [3.0, 3.0], adv8_l2=norm)]
    (field,) = only(leagues(compared(tmp_path, rows))).fields
    assert (field.envelope.tolist(), field.satisfied) == ([1, 2], 0)
    assert by_attack(field.standings)["mine"].reached == 0


def test_without_any_success_there_is_no_optimality(tmp_path: Path) -> None:
    league = only(leagues(compared(tmp_path, [*attack("fmn", [None, None]), *attack("asma", [None, None])])))
    (field,) = league.fields
    assert (field.unreached, len(field.envelope), league.decided) == (2, 0, [])
    for one in (*field.standings, *league.standings):
        assert (one.optimality, one.ci95, one.images, one.holds) == (None, None, 0, 0)
        assert math.isnan(one.ratio)


def test_an_attack_alone_is_its_own_envelope(tmp_path: Path) -> None:
    league = only(leagues(compared(tmp_path, attack("fmn", [1.0, 5.0, None]))))
    assert not league.is_contest
    (one,) = league.standings
    assert (one.optimality, one.holds, one.alone, one.images) == (1, 2, 2, 2)


def test_norms_are_those_of_files_or_of_the_float_results(tmp_path: Path) -> None:
    rows = [*attack("fmn", [2.0, 3.0], adv8_l2=2.5), *attack("asma", [1.0, 4.0], adv8_l2=3.5)]
    listed = compared(tmp_path, rows)
    assert only(leagues(listed)).fields[0].envelope.tolist() == [2.5, 2.5]
    assert only(leagues(listed, of_files=False)).fields[0].envelope.tolist() == [1, 3]


def test_only_attacks_without_a_budget_take_part_and_no_controls(tmp_path: Path) -> None:
    rows = [
        *attack("fmn", [1.0]),
        *attack("noise", [0.1], equal_norm="fmn"),
        *attack("pgd", [0.1], eps=0.5),
        *attack("odd", [0.1], norm="7"),
    ]
    assert only(leagues(compared(tmp_path, rows))).fields[0].attacks == ["fmn"]


def test_norms_senses_judges_and_passes_have_leagues_of_their_own(tmp_path: Path) -> None:
    first = [
        *attack("fmn", [1.0]),
        *attack("linf", [1.0], norm="inf", linf=0.5),
        *attack("l1", [1.0], norm="1", l1=7.0),
        *attack("away", [1.0], targeted=False),
    ]
    second, third = attack("fmn", [1.0], judge="dice to target >= 0.9"), attack("fmn", [1.0])
    fourth = attack("fmn", [1.0])
    more = {"engine": {"max_passes": 1000}}
    half = {"engine": {"max_passes": 300, "precision": "bf16"}}
    found = leagues(compared(tmp_path, first, second, third, fourth, configs=(PASSES, PASSES, more, half)))
    assert all(len(league.fields) == 1 for league in found)
    terms = [league.terms for league in found]
    assert [one.norm for one in terms] == ["2", "2", "2", "2", "2", "1", "inf"]
    assert sorted((one.targeted, one.judge, one.max_passes, one.precision) for one in terms[:5]) == [
        (False, "iou to target >= 0.95", 300, "32"),
        (True, "dice to target >= 0.9", 300, "32"),
        (True, "iou to target >= 0.95", 300, "32"),
        (True, "iou to target >= 0.95", 300, "bf16"),
        (True, "iou to target >= 0.95", 1000, "32"),
    ]
    assert [league.fields[0].envelope.tolist() for league in found[-2:]] == [[7], [0.5]]


def test_runs_without_equal_passes_are_not_compared(tmp_path: Path) -> None:
    runs = attack("fmn", [1.0]), attack("asma", [2.0])
    found = leagues(compared(tmp_path, *runs, configs=({"engine": {"max_passes": None}}, {})))
    assert [league.terms.run for league in found] == [str(tmp_path / "run0"), str(tmp_path / "run1")]


def test_runs_of_other_attacks_on_the_same_images_are_one_scenario(tmp_path: Path) -> None:
    league = only(leagues(compared(tmp_path, attack("fmn", [1.0, 3.0]), attack("mine", [2.0, 2.0]))))
    (field,) = league.fields
    assert field.attacks == ["fmn", "mine"]
    assert field.envelope.tolist() == [1, 2]
    assert [(one.holds, one.alone) for one in field.standings] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    "changes",
    [{"weights_sha256": "other"}, {"data_fingerprint": "other"}, {"seed": 5}, {"target": "shifted:a"}, {"split": "x"}],
)
def test_other_victims_data_targets_and_seeds_are_other_scenarios(tmp_path: Path, changes: dict[str, Any]) -> None:
    league = only(leagues(compared(tmp_path, attack("fmn", [1.0]), attack("mine", [0.5], **changes))))
    assert [(field.attacks, field.envelope.tolist()) for field in league.fields] == [(["fmn"], [1]), (["mine"], [0.5])]
    labels = [field.scenario.label for field in league.fields]
    assert len({*labels}) == 2
    if "weights_sha256" in changes:
        assert labels[1] == "victim, other_image · weights other"
    if "data_fingerprint" in changes:
        assert labels[1] == "victim, other_image · data other"


def test_an_attack_of_two_runs_on_one_victim_makes_two_scenarios(tmp_path: Path) -> None:
    runs = [*attack("fmn", [1.0]), *attack("asma", [2.0])], attack("fmn", [3.0])
    first, second = only(leagues(compared(tmp_path, *runs))).fields
    assert (first.attacks, second.attacks) == (["asma", "fmn"], ["fmn"])
    assert first.scenario.label == f"victim, other_image ({tmp_path / 'run0'})"
    assert second.envelope.tolist() == [3]


def test_images_that_not_all_have_finished_or_with_another_target_do_not_count(tmp_path: Path) -> None:
    rows = [*attack("fmn", [1.0, 2.0, 3.0]), *attack("asma", [2.0, 3.0, 1.0])[:2]]
    rows[4] |= {"target": "other_image:b"}
    (field,) = only(leagues(compared(tmp_path, rows))).fields
    assert (field.envelope.tolist(), field.scenario.unfinished) == ([1], 3)


def test_a_reference_lowers_the_envelope_and_has_no_place(tmp_path: Path) -> None:
    listed = compared(tmp_path / "a", [*attack("fmn", [1.0, 2.0, None]), *attack("asma", [2.0, None, None])])
    more = {"engine": {"max_passes": 1000}}
    known = [*attack("alma", [4.0, 1.0, 3.0]), *attack("linf", [1.0], norm="inf"), *attack("pgd", [0.1], eps=1.0)]
    (field,) = only(leagues(listed, compared(tmp_path / "b", known, configs=(more,)))).fields
    assert field.attacks == ["asma", "fmn"]
    assert [(entry.attack, passes_of(entry)) for entry in field.scenario.referred] == [("alma", "1000 passes")]
    assert (field.envelope.tolist(), field.unreached) == ([1, 1, 3], 0)
    found = by_attack(field.standings)
    # (0, 1), (1, 2/3), (2, 1/3), (3, 1/3) has the area 5/3, the envelope (0, 1), (1, 1/3), (3, 0) 7/6.
    assert found["fmn"].optimality == pytest.approx(1 - (5 / 3 - 7 / 6) / (3 - 7 / 6))
    assert [(one.reached, one.holds, one.images) for one in found.values()] == [(2, 1, 3), (1, 0, 3)]
    other = attack("alma", [0.5, 0.5, 0.5], weights_sha256="other")
    (alone,) = only(leagues(listed, compared(tmp_path / "c", other, configs=(more,)))).fields
    assert alone.envelope.tolist() == [1, 2]


def test_attacks_together_have_the_smaller_norm_of_each_image_and_the_earlier_success(tmp_path: Path) -> None:
    rows = [*attack("fmn", [1.0, 3.0, None]), *attack("asma", [2.0, 2.0, 4.0]), *attack("dag", [1.0, None, None])]
    for one in rows[3:5]:
        one["success_passes"] = 15
    presets = [("fmn", "asma"), ("fmn", "dag"), ("fmn", "nowhere")]
    (field,) = only(leagues(compared(tmp_path, rows), presets=presets)).fields
    assert field.attacks == ["asma", "dag", "fmn", "fmn + asma", "fmn + dag"]
    assert field.envelope.tolist() == [1, 2, 4]
    found = by_attack(field.standings)
    both, others = found["fmn + asma"], found["fmn + dag"]
    assert (both.optimality, both.reached, both.ratio, both.ratio90, both.median) == (1, 3, 1, 1, 2)
    # Passes 10, 20, none and 15, 15, 30: the earlier ones are 10, 15, 30.
    assert both.passes == 15
    # dag has the norm of the first image, too; of fmn and dag nobody else has.
    assert (both.holds, both.alone, others.holds, others.alone) == (3, 2, 1, 1)
    # What single attacks hold alone does not depend on what is ranked as one.
    assert [found[name].alone for name in ("asma", "dag", "fmn")] == [2, 0, 0]
    assert others.optimality is not None
    assert others.optimality < 1


def test_over_scenarios_the_mean_of_those_that_are_in_all(tmp_path: Path) -> None:
    first = [*attack("fmn", [1.0, 2.0, 4.0]), *attack("asma", [2.0, 3.0, 4.0]), *attack("dag", [1.0, 2.0, 4.0])]
    second = [*attack("fmn", [5.0, 5.0, None]), *attack("asma", [4.0, 2.0, 6.0])]
    changed = [one | {"victim": "fpn", "weights_sha256": "fpn"} for one in second]
    league = only(leagues(compared(tmp_path, first, changed)))
    fields = [by_attack(field.standings) for field in league.fields]
    assert [list(one) for one in fields] == [["dag", "fmn", "asma"], ["asma", "fmn"]]
    total = league.standings
    assert [one.attack for one in total] == ["asma", "fmn", "dag"]
    for one in total[:2]:
        assert one.optimality == pytest.approx(sum(f[one.attack].optimality or 0 for f in fields) / 2)
        assert one.ci95 is not None
        assert one.ci95[0] <= one.optimality <= one.ci95[1]
        assert one.images == 6
    found = by_attack(total)
    assert (found["dag"].optimality, found["dag"].ci95, found["dag"].images) == (None, None, 3)
    assert (found["fmn"].reached, found["fmn"].holds, found["fmn"].alone) == (5, 3, 0)
    assert (found["asma"].reached, found["asma"].holds, found["asma"].alone) == (6, 4, 3)


def test_a_victim_that_nothing_fools_takes_no_part_in_the_mean(tmp_path: Path) -> None:
    first = [*attack("fmn", [1.0, 2.0]), *attack("asma", [2.0, 2.0])]
    second = [*attack("fmn", [None], victim="fpn"), *attack("asma", [None], victim="fpn")]
    league = only(leagues(compared(tmp_path, first, second)))
    assert len(league.decided) == 1
    assert [one.optimality for one in league.standings] == [one.optimality for one in league.fields[0].standings]
