"""Whatever the engine counts satisfies the relations of `effort`, and a cost that it cannot have counted does not."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import Rule
from benchmark.attacks.dag import DAG
from benchmark.attacks.fgsm import FGSM
from benchmark.attacks.noise import Noise
from benchmark.attacks.pgd import PGD
from benchmark.criterion import Criterion
from benchmark.engine import Finished
from benchmark.evaluation.plan import Attack
from benchmark.evaluation.row_writer import trace_rows
from benchmark.verify.effort import Counting, effort
from benchmark.verify.relations import Relation, Trace
from benchmark.verify.table import refused
from tests.attacks.conformance_cases import Case, all_cases, jobs, never, pairs, saturated

CASES = all_cases()
STEPS = 8
COUNTED = ("steps", "kept_step", "forwards", "backwards", "success_passes", "zero_gradients", "seconds")

# Options of the engine, beside which an attack is run as it is configured.
OPTIONS: dict[str, dict[str, Any]] = {
    "as configured": {},
    "stopping": {"stop": True, "keep": "best"},
    "to the end": {"stop": False, "keep": "best", "sync_every": 3},
    "keeping the last": {"stop": False, "keep": "last"},
    "stopping, keeping the last": {"stop": True, "keep": "last"},
    "by score": {"stop": False, "keep": "score"},
    "few passes": {"max_steps": None, "max_passes": 9},
    "passes": {"max_steps": None, "max_passes": 20, "sync_every": 4},
    "float is enough": {"confirm": False},
    "reduced precision": {"precision": "bf16", "max_steps": None, "max_passes": 17},
}


def wrong(relations: Any) -> set[str]:
    return {column for column, holds, _ in relations if not holds}


def row_of(finished: Finished) -> dict[str, Any]:
    names = (*COUNTED, "success", "success8", "success_clean", "nonfinite_gradient", "at_floor")
    passes = finished.forwards + finished.backwards
    return {name: getattr(finished, name) for name in names} | {"passes": passes}


def trace_of(finished: Finished, judge: Criterion) -> Trace | None:
    points = trace_rows("", finished)
    steps = [point["step"] for point in points]
    refusals = refused(judge, [point["iou"] for point in points], [point["pixel_acc"] for point in points])
    gap = next((k for k, step in enumerate(steps) if step != k or not refusals[k]), len(steps))
    return Trace(steps[-1], None, None, len(steps), gap) if steps else None


def relations_of(case: Case, finished: Finished, options: Mapping[str, Any]) -> list[Relation]:
    chosen = {"max_steps": STEPS, "stop": case.attack.stop, "keep": case.attack.keep} | options
    steps = 0 if chosen["max_steps"] is None else min(chosen["max_steps"], case.attack.max_steps)
    attack = Attack(case.rule, max_steps=steps, stop=chosen["stop"], keep=chosen["keep"])
    reduced = "precision" in options
    counting = Counting(chosen.get("max_passes"), chosen.get("confirm", True), 2 if reduced else 1)
    return list(effort(row_of(finished), attack, counting, trace_of(finished, case.judge), decided=not reduced))


@pytest.mark.parametrize("name", ["stopping", "passes"])
def test_every_attack_has_an_effort_that_fits(name: str) -> None:
    _check_efforts(OPTIONS[name], [(case, outputs) for case, outputs in pairs(CASES) if outputs == 2])


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_attack_has_an_effort_that_fits_however_it_is_run(options: dict[str, Any]) -> None:
    _check_efforts(options, pairs(CASES))


def _check_efforts(options: dict[str, Any], chosen: list[tuple[Case, int]]) -> None:
    seen = []
    for case, outputs in chosen:
        if options.get("stop", case.attack.stop) and options.get("keep", case.attack.keep) == "score":
            continue
        for judge in (case.judge, never(case)):
            for finished in case.run(case.network(outputs), jobs(outputs), judge=judge, **options):
                found = [relation for relation in relations_of(case, finished, options) if not relation.holds]
                assert not found, (str(case), outputs, row_of(finished), trace_of(finished, case.judge))
                seen.append(finished)
    assert any(finished.success8 for finished in seen)
    assert not all(finished.success8 for finished in seen)


def test_models_without_a_gradient_and_clean_successes_fit() -> None:
    for case, outputs in pairs(CASES):
        for finished in () if outputs == 5 else case.run(saturated(outputs), jobs(outputs)):
            assert not wrong(relations_of(case, finished, {})), (str(case), row_of(finished))


# A failure after all of its ten steps, and a success seen in the pass of the eighth step, after which it ended.
FAILED = {
    **{"steps": 10, "kept_step": 7, "forwards": 12, "backwards": 10, "passes": 22, "success_passes": None},
    **{"zero_gradients": 0, "seconds": 0.1, "success": False, "success8": False},
    **{"success_clean": False, "nonfinite_gradient": False, "at_floor": False},
}
SUCCESS = FAILED | {"steps": 7, "forwards": 10, "backwards": 8, "passes": 18, "success_passes": 18, "success8": True}
ATTACK, COUNTING = Attack(PGD(), max_steps=10), Counting(None, True, 1)


def effort_of(row: dict[str, Any], attack: Attack | None = ATTACK, last: int = 9, points: int | None = None) -> set:
    trace = Trace(last, None, None, last + 1 if points is None else points)
    return wrong(effort(row, attack, COUNTING, trace, decided=True))


def test_efforts_that_fit() -> None:
    assert not effort_of(FAILED)
    assert not effort_of(FAILED, None)
    assert not effort_of(SUCCESS, last=7)
    assert not effort_of(FAILED | {"steps": 9, "kept_step": 7, "nonfinite_gradient": True})
    idle = {"steps": 0, "kept_step": 0, "forwards": 1, "backwards": 0, "passes": 1, "success_passes": 1}
    clean = SUCCESS | idle | {"success_clean": True}
    assert not wrong(effort(clean, ATTACK, COUNTING, None, decided=True))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"passes": 23}, {"passes"}),
        ({"forwards": 0, "passes": 10}, {"forwards"}),
        ({"forwards": 10, "passes": 20}, {"forwards"}),
        ({"forwards": 40, "passes": 50}, {"forwards"}),
        ({"backwards": -1, "passes": 11}, {"backwards", "zero_gradients"}),
        ({"backwards": 9, "passes": 21}, {"backwards"}),
        ({"steps": 11}, {"steps"}),
        ({"steps": 9}, {"steps"}),
        ({"steps": -1}, {"steps", "kept_step"}),
        ({"kept_step": 11}, {"kept_step"}),
        ({"kept_step": None}, {"kept_step"}),
        ({"success_passes": 22}, {"success_passes", "kept_step"}),
        ({"success_passes": 0}, {"success_passes", "kept_step"}),
        ({"zero_gradients": 11}, {"zero_gradients"}),
        ({"seconds": -0.1}, {"seconds"}),
        ({"seconds": math.inf}, {"seconds"}),
        ({"seconds": None}, {"seconds"}),
    ],
)
def test_an_effort_that_does_not_fit(changes: dict[str, Any], named: set[str]) -> None:
    assert effort_of(FAILED | changes) == named


def test_a_failure_that_was_stopped_early() -> None:
    early = FAILED | {"steps": 5, "kept_step": 5, "forwards": 7, "backwards": 5, "passes": 12}
    assert effort_of(early, last=4) == {"steps"}
    assert not effort_of(early | {"nonfinite_gradient": True}, last=4)
    rules: list[tuple[Rule, bool]] = [(DAG(), False), (ASMA(), True), (ASMA(scale="auto"), True)]
    for rule, named in rules:
        assert effort_of(early, Attack(rule, max_steps=10), 4) == ({"steps"} if named else set())
    passes = Counting(22, True, 1)
    trace = Trace(4, None, None, 5)
    assert wrong(effort(early, ATTACK, passes, trace, decided=True)) == {"passes"}
    assert not wrong(effort(FAILED, ATTACK, passes, Trace(9, None, None, 10), decided=True))


def test_a_success_that_went_on_or_was_none() -> None:
    assert effort_of(SUCCESS | {"forwards": 11, "passes": 19}, last=7) == {"success_passes"}
    assert effort_of(SUCCESS | {"kept_step": 6}, last=7) == {"kept_step"}
    assert effort_of(SUCCESS | {"success8": False}, last=7) == {"success_passes"}
    assert effort_of(SUCCESS | {"success_passes": None}, last=7) == {"steps"}


def test_rules_that_make_one_step() -> None:
    one = FAILED | {"steps": 1, "kept_step": 1, "forwards": 3, "backwards": 1, "passes": 4}
    assert not effort_of(one, Attack(FGSM(), max_steps=10), 0)
    assert not effort_of(one | {"backwards": 0, "passes": 3}, Attack(Noise(), max_steps=10), 0)
    assert effort_of(one, Attack(Noise(), max_steps=10), 0) == {"backwards"}
    assert effort_of(one, ATTACK, 0) == {"steps"}
    assert effort_of(FAILED, Attack(FGSM(), max_steps=10)) == {"steps"}


def test_a_trace_that_is_missing_or_has_lost_steps() -> None:
    assert effort_of(FAILED, points=9) == {"steps"}
    assert Relation("steps", False, "its trace ends at step none") in list(
        effort(FAILED, ATTACK, COUNTING, None, decided=True)
    )


@pytest.mark.parametrize(("passes", "fits"), [(14, True), (13, False), (5, False)])
def test_a_first_success_comes_after_the_steps_that_the_judge_refuses(passes: int, fits: bool) -> None:
    # The clean image, two passes for each of six steps, and the one that judges the seventh iterate.
    attack, row = Attack(PGD(), max_steps=10, stop=False), FAILED | {"success8": True, "success_passes": passes}
    assert not wrong(effort(row, attack, COUNTING, Trace(9, None, None, 10), decided=True))
    found = wrong(effort(row, attack, COUNTING, Trace(9, None, None, 10, 6), decided=True))
    assert found == (set() if fits else {"success_passes"})


def test_only_a_success_is_a_floor() -> None:
    row = FAILED | {"steps": 0, "kept_step": 0, "forwards": 3, "backwards": 0, "passes": 3, "at_floor": True}
    floor = row | {"success8": True, "success_passes": 3}
    warm = Attack(PGD(), max_steps=10, start_from="pgd@1")
    by_score = replace(warm, stop=False, keep="score")

    def found(row: dict[str, Any], attack: Attack) -> set[str]:
        return wrong(effort(row, attack, COUNTING, None, decided=True))

    assert found(floor, warm) == found(floor, by_score) == set()
    assert found(row, by_score) == {"at_floor"}
    assert found(floor, replace(warm, stop=False)) == {"at_floor"}
    assert found(floor, ATTACK) == {"at_floor"}
