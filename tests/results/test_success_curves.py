import math
from typing import Any

import numpy as np
import pytest

from benchmark.results.column_arrays import cost_of_success
from benchmark.results.success_curves import by_budget, curve, families, success_by_norm, success_by_passes
from tests.example_rows import row


def _successes(value: bool) -> dict[str, bool]:
    return {"success": value, "success8": value}


def _rows(attack: str, norms: list[float | None], **changes: Any) -> list[dict[str, Any]]:
    """One row per norm; None is a failure, whose row has a norm nevertheless."""
    return [
        row(str(i), attack=attack, linf=0.001 if norm is None else norm, **_successes(norm is not None), **changes)
        for i, norm in enumerate(norms)
    ]


def test_success_by_norm_steps_at_each_norm_and_never_counts_failures() -> None:
    (family,) = families(_rows("pgd", [0.3, 0.1, None, 0.1, None]))
    found = success_by_norm(family, "linf")
    assert found.x.tolist() == [0.1, 0.3]
    assert found.share.tolist() == pytest.approx([0.4, 0.6])
    assert [found.at(x) for x in (0.0, 0.0999, 0.1, 0.2, 0.3, math.inf)] == pytest.approx([0, 0, 0.4, 0.4, 0.6, 0.6])


def test_only_attacked_images_count() -> None:
    (family,) = families([*_rows("pgd", [0.3, None]), row("satisfied", attack="pgd", linf=0.0, success_clean=True)])
    assert success_by_norm(family, "linf").images == 2
    (nothing,) = families([row("satisfied", eps=0.5, success_clean=True)])
    assert math.isnan(success_by_norm(nothing, "l2").at(1.0))
    assert by_budget(nothing)[0].success_rate is None


def test_success_by_passes_knows_the_latest_moment() -> None:
    passes = [(4, True), (None, True), (2, False), (9, True)]
    rows = [row(str(i), success_passes=n, passes=30, success8=ok) for i, (n, ok) in enumerate(passes)]
    found = success_by_passes(rows)
    assert found.x.tolist() == [4, 9, 30]
    assert found.share.tolist() == [0.25, 0.5, 0.75]


def test_the_files_norm_counts_where_the_file_succeeds() -> None:
    rows = [row("a", l2=2.0, adv8_l2=2.5), row("b", l2=1.0, success=True, success8=False)]
    assert cost_of_success(rows, "l2").tolist() == [2.5, math.inf]


def _sweep() -> list[dict[str, Any]]:
    small = _rows("pgd@2", [None, 0.02, None], family="pgd", norm="inf", eps=2 / 255, adv_iou_truth=0.75)
    large = _rows("pgd@10", [0.04, 0.04, None], family="pgd", norm="inf", eps=10 / 255, adv_iou_truth=0.25)
    return [*large, *small, *_rows("asma", [0.01, 0.01, 0.01])]


def test_budgets_of_a_family_are_one_sweep_in_rising_order() -> None:
    asma, pgd = families(_sweep())
    assert (asma.name, asma.swept, pgd.name, pgd.swept) == ("asma", False, "pgd", True)
    assert list(pgd.attacks) == ["pgd@2", "pgd@10"]
    points = by_budget(pgd)
    assert [(point.attack, point.eps, point.median_iou) for point in points] == [
        ("pgd@2", 2 / 255, 0.75),
        ("pgd@10", 10 / 255, 0.25),
    ]
    assert [point.success_rate for point in points] == pytest.approx([1 / 3, 2 / 3])


def test_the_score_of_a_targeted_sweep_is_to_the_target() -> None:
    (family,) = families(_rows("pgd@2", [0.1], eps=2 / 255, targeted=True, adv_iou_target=0.875, adv_iou_truth=0.125))
    assert by_budget(family)[0].median_iou == 0.875


def test_a_sweep_counts_an_images_best_success() -> None:
    _, pgd = families(_sweep())
    found = success_by_norm(pgd, "linf")
    assert found.x.tolist() == [0.02, 0.04]
    assert found.share.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_rows_that_name_no_family_are_by_attack() -> None:
    found = families([row("a", family=None), row("a", attack="pgd", family=None)])
    assert [family.name for family in found] == ["asma", "pgd"]


def _copies(norm: str, eps: Any) -> list[dict[str, Any]]:
    """A control of a sweep, image by image."""
    return [
        one
        for budget in (2, 4, 10)
        for one in [
            *_rows(f"pgd@{budget}", [0.1], family="pgd", norm="inf", eps=budget / 255),
            *_rows(f"noise@{budget}", [None], family="noise", norm=norm, eps=eps(budget), equal_norm=f"pgd@{budget}"),
        ]
    ]


@pytest.mark.parametrize(
    ("norm", "eps"), [("inf", lambda budget: np.float32(budget / 255).item()), ("2", lambda _: None)]
)
def test_a_control_is_swept_with_the_budgets_of_what_it_copies(norm: str, eps: Any) -> None:
    noise, pgd = families(_copies(norm, eps))
    assert list(noise.attacks) == ["noise@2", "noise@4", "noise@10"]
    assert (noise.norm, noise.copied, pgd.copied) == ("inf", "pgd", None)
    assert [point.eps for point in by_budget(noise)] == [point.eps for point in by_budget(pgd)]


def test_attacks_of_a_family_without_budgets_stand_alone() -> None:
    found = families([row("a", attack=f"noise@{i}", family="noise", equal_norm=f"gone@{i}") for i in (2, 10)])
    assert [(family.name, family.swept) for family in found] == [("noise@10", False), ("noise@2", False)]
    assert [by_budget(family) for family in found] == [[], []]


def test_a_budget_counts_the_float_result_because_the_file_leaves_it() -> None:
    (family,) = families([row("a", eps=0.5 / 255, norm="inf", success=True, success8=False)])
    assert by_budget(family)[0].success_rate == 1.0


def test_a_curve_without_success_stays_at_zero() -> None:
    assert curve(np.full(3, math.inf)).at(1e9) == 0.0
