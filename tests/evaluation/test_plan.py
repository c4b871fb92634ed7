"""Attacks at several budgets, and attacks that copy another one's norm."""

from typing import Any

import pytest
import torch

from benchmark.attacks.asma import ASMA
from benchmark.attacks.base import norms
from benchmark.attacks.noise import Noise
from benchmark.attacks.projected import Projected
from benchmark.criterion import Criterion
from benchmark.errors import InputError
from benchmark.evaluation.case import split_of
from benchmark.evaluation.plan import Attack, Plan, expand
from benchmark.evaluation.session import Session
from benchmark.images.quantisation import EIGHT_BIT
from benchmark.targets import OtherImage

HELD = Attack(Projected(ASMA(tau=1e-2, beta=1e-1)), max_steps=3)
COPY = Attack(Noise(norm=2), max_steps=1, keep="last", equal_norm="asma")


def test_one_attack_for_each_budget() -> None:
    attacks = expand({"held": Attack(HELD.rule, budgets=[0.5, 8]), "l2": Attack(Noise(norm=2), budgets=[0.5])})
    assert list(attacks) == ["held@0.5", "held@8", "l2@0.5"]
    assert [attack.rule.eps for attack in attacks.values()] == pytest.approx([0.5 / 255, 8 / 255, 0.5])
    assert attacks["held@8"].columns("held@8") == {
        **{"attack": "held@8", "family": "held", "norm": "inf", "eps": 8 / 255, "targeted": True, "equal_norm": None},
        **{"start_from": None, "stop": True},
    }


def test_copies_come_last_and_follow_budgets() -> None:
    attacks = expand({"noise": Attack(Noise(), equal_norm="held"), "held": Attack(HELD.rule, budgets=[1, 2])})
    assert list(attacks) == ["held@1", "held@2", "noise@1", "noise@2"]
    assert attacks["noise@2"].equal_norm == "held@2"
    assert attacks["noise@2"].columns("noise@2")["eps"] == 2 / 255, "of what it copies"
    other_norm = expand({"noise": Attack(Noise(norm=2), equal_norm="held"), "held": HELD})["noise"]
    assert other_norm.columns("noise")["eps"] is None
    assert list(expand({"noise": COPY, "asma": Attack(ASMA())})) == ["asma", "noise"]


def _plan(attacks: dict[str, Attack], engine: dict[str, Any], judge: Criterion | None = None) -> Plan:
    return Plan(attacks=attacks, target=OtherImage(0), judge=judge or Criterion(), engine=engine, seed=0)


@pytest.mark.parametrize(
    ("attacks", "message"),
    [
        ({"asma": Attack(ASMA(), budgets=[1])}, "attacks.asma.budgets: ASMA has no budget eps"),
        ({"held": Attack(HELD.rule, budgets=[])}, r"attacks.held.budgets=\[\]: give one or more positive numbers"),
        ({"held": Attack(HELD.rule, budgets=[1, -1])}, "give one or more positive numbers"),
        ({"held": Attack(HELD.rule, budgets=[1, 1])}, "holds a number twice"),
        ({"noise": COPY}, "attacks.noise.equal_norm=asma: is not among the attacks of this run"),
        ({"noise": COPY, "asmo": Attack(ASMA())}, "did you mean asmo"),
        ({"noise": Attack(Noise(), equal_norm="noise")}, "attacks.noise.equal_norm=noise: is not among the attacks"),
        ({"noise": Attack(Noise(), budgets=[1], equal_norm="a"), "a": HELD}, "both budgets and equal_norm"),
        ({"asma": Attack(ASMA(), equal_norm="held"), "held": HELD}, "attacks.asma.equal_norm: ASMA has no budget eps"),
    ],
)
def test_plans_that_make_no_sense(attacks, message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand(attacks)


@pytest.mark.parametrize("drain", [True, False])
def test_noise_has_the_norm_of_what_the_other_attack_made(victim, data, drain: bool) -> None:
    """Image by image, after clipping, whether the other attack succeeded or not."""
    attacks = expand({"noise": COPY, "asma": Attack(ASMA(tau=1e-2, beta=1e-1), max_steps=3)})
    plan = Plan(
        attacks=attacks, target=OtherImage(0), judge=Criterion(value=0.6), engine={"slots": 2, "precision": 64}, seed=0
    )
    dataset = data.test_dataloader().dataset
    sizes: dict[str, dict[str, float]] = {"asma": {}, "noise": {}}
    eps = {}
    with Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT) as session:
        for index in range(5):
            session.submit(dataset[index])
            for name, finished, case in [] if drain else session.run(drain=False):
                sizes[name][case.id] = float(norms((finished.adv - finished.job.image)[None], 2))
                eps[name, case.id] = finished.job.eps
        for name, finished, case in session.run(drain=True):
            sizes[name][case.id] = float(norms((finished.adv - finished.job.image)[None], 2))
            eps[name, case.id] = finished.job.eps
    assert set(sizes["noise"]) == set(sizes["asma"]) == set(data.test_ids())
    assert max(sizes["asma"].values()) > 0
    for image_id, size in sizes["asma"].items():
        assert sizes["noise"][image_id] == pytest.approx(size, rel=1e-3)
        assert eps["noise", image_id] == pytest.approx(size)
        assert eps["asma", image_id] is None


def test_with_passes_given_every_attack_gets_just_these(victim, data) -> None:
    attacks = {
        "short": Attack(ASMA(tau=1e-4, beta=1e-4), max_steps=1),
        "long": Attack(ASMA(tau=1e-4, beta=1e-4), max_steps=1000),
    }
    plan = Plan(
        attacks=attacks, target=OtherImage(0), judge=Criterion(value=1.0), engine={"slots": 2, "max_passes": 21}, seed=0
    )
    with Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT) as session:
        session.submit(data.test_dataloader().dataset[0])
        spent = [(finished.steps, finished.forwards + finished.backwards) for _, finished, _ in session.run(True)]
    # The clean image, eight steps of two, the last iterate; with one more step two confirmations would not fit.
    assert spent == [(8, 18)] * 2


class _Weighing(Noise):
    wants_class_pixels = True

    def start(self, batch):
        seen.append(batch.class_pixels)
        return super().start(batch)


seen: list[tuple[float, ...] | None] = []


@pytest.mark.parametrize(("rule", "calls_expected"), [(_Weighing(), 1), (Noise(), 0)])
def test_the_training_set_is_counted_only_for_rules_that_ask(victim, data, rule: Noise, calls_expected: int) -> None:
    calls = []

    def count() -> tuple[float, ...]:
        calls.append(1)
        return data.class_pixels()

    seen.clear()
    plan = Plan(
        attacks={"a": Attack(rule), "b": Attack(rule)},
        target=OtherImage(0),
        judge=Criterion(),
        engine={"slots": 2},
        seed=0,
    )
    with Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT, class_pixels=count) as session:
        session.submit(data.test_dataloader().dataset[0])
        list(session.run(True))
    assert len(calls) == calls_expected
    masks = torch.stack([data.mask(image_id, "train") for image_id in data.splits()["train"]])
    expected = tuple(torch.bincount(masks.flatten()).double().tolist())
    assert seen == [expected] * (2 * calls_expected)


def test_passes_for_no_step_are_refused(victim, data) -> None:
    plan = Plan(
        attacks={"asma": Attack(ASMA())},
        target=OtherImage(0),
        judge=Criterion(),
        engine={"slots": 2, "max_passes": 5},
        seed=0,
    )
    with pytest.raises(InputError, match=r"engine\.max_passes=5: allows asma no step; give at least 6"):
        Session(plan, victim, split_of(data, "test"), quantizer=EIGHT_BIT)


def test_budgets_for_all_are_for_those_that_have_one_in_the_norm_inf() -> None:
    assert HELD.with_budgets([1, 2]).budgets == [1, 2]
    assert HELD.with_budgets(None).budgets is None
    for other in (COPY, Attack(ASMA()), Attack(Noise(norm=2)), Attack(Noise(), budgets=[3])):
        assert other.with_budgets([1, 2]) == other
