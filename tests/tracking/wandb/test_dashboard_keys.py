from benchmark.results.summary import summarise
from benchmark.tracking.epoch import FinishedEpoch
from benchmark.tracking.points import attack_logs
from benchmark.tracking.wandb.dashboard_keys import Logged, LoggedAttack

from tests.tracking.example_epoch import rows, traces  # isort: skip


def _attack(*keys: str, **facts: object) -> LoggedAttack:
    known = {"family": None, "norm": "inf", "eps": None, "equal_norm": None, "targeted": True}
    return LoggedAttack(known | facts, {"attack/a/step": frozenset(keys)}, frozenset(keys))


def test_what_is_logged_of_an_attack_can_be_named_and_nothing_else() -> None:
    (asma, noise) = attack_logs(FinishedEpoch(rows=rows(), traces=traces(), summaries=summarise(rows())))
    logged = Logged(frozenset(), {log.attack: LoggedAttack.of({**_attack().facts}, log) for log in (asma, noise)})
    assert logged.key("asma", "l2", "mean") == ["attack/asma/l2/mean"]
    assert logged.key("asma", "psnr", "mean") == []
    assert logged.keys(["asma", "noise"], "psnr/mean", "step", "success8_rate") == [
        "attack/asma/step",
        "attack/asma/success8_rate",
        "attack/noise/success8_rate",
    ]
    assert "attack/asma/multiplier" in logged.curves("asma", "step")
    assert logged.curves("noise", "step") == []
    assert "attack/noise/image/l2" in logged.curves("noise", "image/index")


def test_several_runs_have_what_any_has() -> None:
    first = Logged(frozenset({"val/iou"}), {"a": _attack("attack/a/l2")})
    second = Logged(frozenset({"train/loss"}), {"a": _attack("attack/a/l1"), "b": _attack()})
    both = Logged.union([first, second])
    assert both.training == {"val/iou", "train/loss"}
    assert both.names == ["a", "b"]
    assert both.attacks["a"].keys == {"attack/a/l1", "attack/a/l2"}
    assert both.curves("a", "step") == ["attack/a/l1", "attack/a/l2"]
    assert Logged.union([]) == Logged(frozenset(), {})


def test_attacks_come_by_family_and_rising_budget() -> None:
    budgets = {f"pgd@{eps}": _attack(family="pgd", eps=eps / 255) for eps in (10, 0.5, 2)}
    free = {"asma": _attack(targeted=False, family="asma", norm="2")}
    logged = Logged(frozenset(), budgets | free)
    assert logged.names == ["asma", "pgd@0.5", "pgd@2", "pgd@10"]
    assert logged.targeted == ["pgd@0.5", "pgd@2", "pgd@10"]
