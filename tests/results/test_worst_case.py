import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark import metrics
from benchmark.errors import InputError
from benchmark.results.worst_case import lower_miou, miou, overlaps, upper_miou, worst_cases
from tests.example_rows import row, table


def _tables(images: int, attacks: int, classes: int, seed: int) -> np.ndarray:
    """Random (N, A, K, K) counts of few pixels, void ones left out; the truth is the same for all attacks."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((images, attacks, classes, classes), dtype=np.int64)
    truth = rng.integers(-1, classes, size=(images, 6))
    for image, attack in itertools.product(range(images), range(attacks)):
        for label in truth[image][truth[image] >= 0]:
            counts[image, attack, label, rng.integers(classes)] += 1
    return counts


def _true_minimum(counts: np.ndarray) -> float:
    images, attacks = counts.shape[:2]
    scores = [
        metrics.iou(torch.from_numpy(counts[range(images), choice].sum(0)), background=None).item()
        for choice in itertools.product(range(attacks), repeat=images)
    ]
    return min(scores)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**32))
def test_the_bounds_enclose_the_minimum_over_all_choices(images: int, attacks: int, classes: int, seed: int) -> None:
    counts = _tables(images, attacks, classes, seed)
    lowest = _true_minimum(counts)
    single = miou(*overlaps(counts.sum(0))).min()
    assert lower_miou(counts) - 1e-12 <= lowest <= upper_miou(counts) + 1e-12
    assert upper_miou(counts) <= single + 1e-12


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(0, 2**32))
def test_mean_iou_is_that_of_the_metrics(classes: int, seed: int) -> None:
    counts = _tables(3, 2, classes, seed)
    assert miou(*overlaps(counts)) == pytest.approx(metrics.iou(torch.from_numpy(counts), background=None).numpy())


def test_one_class_at_a_time_the_lower_bound_is_exact() -> None:
    # Intersection over union of class 0 by image and attack: 9/10 or 4/10; 1/10 or 0/1. Class 1 is nowhere.
    counts = np.array([[[[9, 1], [0, 0]], [[4, 6], [0, 0]]], [[[1, 9], [0, 0]], [[0, 10], [0, 0]]]])
    # Class 0: (4 + 0) / (10 + 10); class 1 is predicted and never there.
    assert lower_miou(counts) == pytest.approx((4 / 20 + 0) / 2)
    assert upper_miou(counts) == pytest.approx((4 / 20 + 0) / 2)


def test_swapping_starts_from_the_best_single_attack_and_beats_it() -> None:
    # Each attack ruins another image.
    good, bad = [[8, 0], [0, 8]], [[0, 8], [8, 0]]
    counts = np.array([[bad, good], [good, bad], [bad, good]])
    assert miou(*overlaps(counts.sum(0))).min() == pytest.approx(16 / 48 / (80 / 48))
    assert upper_miou(counts) == lower_miou(counts) == 0.0


def test_nothing_valid_is_a_perfect_score() -> None:
    nothing = np.zeros((2, 2, 3, 3), dtype=np.int64)
    assert upper_miou(nothing) == lower_miou(nothing) == 1.0


def _attack(name: str, scores: dict[str, float], **changes: Any) -> list[dict[str, Any]]:
    values = {"attack": name, "targeted": False, "norm": "inf", "eps": 0.25} | changes
    return [row(image, adv8_iou_truth=iou, adv8_pixel_acc_truth=iou / 2, success8=iou < 0.1, **values)
            for image, iou in scores.items()]  # fmt: skip


def test_each_image_meets_the_attack_that_hurts_it_most() -> None:
    (found,) = worst_cases(
        table(
            *_attack("one", {"a": 0.0, "b": 0.5, "c": 0.75}, adv8_confusion_truth=[6, 2, 1, 7]),
            *_attack("two", {"a": 0.5, "b": 0.0, "c": 0.25}, adv8_confusion_truth=[5, 3, 4, 4]),
        )
    )
    assert (found["attacks"], found["norm"], found["eps"], found["images"]) == (["one", "two"], "inf", 0.25, 3)
    assert found["adv8_iou_truth"]["mean"] == pytest.approx(0.25 / 3)
    assert found["adv8_pixel_acc_truth"]["mean"] == pytest.approx(0.125 / 3)
    assert (found["success8_rate"], found["attacked"]) == (pytest.approx(2 / 3), 3)
    best = {"attack": "two", "family": "two", "adv8_miou_truth": pytest.approx((5 / 12 + 4 / 11) / 2)}
    assert found["best_single"] == best
    assert found["adv8_miou_truth"]["lower"] <= found["adv8_miou_truth"]["upper"] <= (5 / 12 + 4 / 11) / 2


def test_sets_share_sense_norm_and_budget() -> None:
    scores = {"a": 0.5, "b": 0.5}
    found = worst_cases(
        table(
            *_attack("pgd@8", scores, eps=8 / 255),
            *_attack("sea@8", scores, eps=8 / 255),
            *_attack("pgd@2", scores, eps=2 / 255),
            *_attack("sea@2", scores, eps=2 / 255),
            *_attack("lonely@4", scores, eps=4 / 255),
            *_attack("euclid@2", scores, eps=2 / 255, norm="2"),
            *_attack("aimed@8", scores, eps=8 / 255, targeted=True),
            *_attack("unknown@8", scores, eps=8 / 255, targeted=None),
            *_attack("float32@8", scores, eps=float(np.float32(8 / 255))),
            *_attack("noise", scores, eps=8 / 255, equal_norm="pgd@8"),
            *_attack("free", scores, eps=None),
            *_attack("found", {"a": 0.5}, eps=0.1),
            *[r | {"eps": 0.2} for r in _attack("found", {"b": 0.5})],
        )
    )
    assert [(one["eps"], one["attacks"]) for one in found] == [
        (2 / 255, ["pgd@2", "sea@2"]),
        (8 / 255, ["float32@8", "pgd@8", "sea@8"]),
        (None, ["found", "free"]),
    ]


@pytest.mark.parametrize("eps", [8 / 255, None])
def test_targeted_attacks_are_worst_where_they_come_nearest_to_the_target(eps: float | None) -> None:
    def aimed(name: str, scores: list[float]) -> list[dict[str, Any]]:
        return [row(str(i), attack=name, targeted=True, eps=eps, adv8_iou_target=score, success8=score > 0.9)
                for i, score in enumerate(scores)]  # fmt: skip

    (found,) = worst_cases(
        table(*aimed("one", [1.0, 0.25, 0.5]), *aimed("two", [0.5, 1.0, 0.75]), *_attack("free", {"0": 0.0}))
    )
    assert (found["attacks"], found["targeted"], found["norm"], found["eps"]) == (["one", "two"], True, "2", eps)
    assert found["success8_rate"] == pytest.approx(2 / 3)
    assert found["success8_rate_ci95"][0] < 2 / 3 < found["success8_rate_ci95"][1]
    assert found["adv8_iou_target"]["mean"] == pytest.approx(2.75 / 3)
    assert found["adv8_iou_target"]["ci95"][0] < 2.75 / 3
    assert found["best_single"] == {"attack": "two", "family": "two", "adv8_iou_target": 0.75}
    assert not {"adv8_miou_truth", "adv8_pixel_acc_truth", "adv8_iou_truth"} & set(found)


def test_only_images_that_all_attacks_have_finished_count() -> None:
    rows = [*_attack("one", {"a": 0.0, "b": 0.5}), *_attack("two", {"c": 0.0, "b": 0.25})]
    (found,) = worst_cases(table(*rows))
    assert (found["images"], found["adv8_iou_truth"]["mean"], found["success8_rate"]) == (1, 0.25, 0)
    assert worst_cases(table(rows[0], rows[2])) == []


def test_images_satisfied_from_the_start_are_no_successes() -> None:
    scores = {"a": 0.0}
    (found,) = worst_cases(
        table(*_attack("one", scores, success_clean=True), *_attack("two", scores, success_clean=True))
    )
    assert (found["attacked"], found["success8_rate"], found["success8_rate_ci95"]) == (0, None, None)


def test_attacks_on_different_classes_are_refused() -> None:
    rows = table(*_attack("one", {"a": 0.5}), *_attack("two", {"a": 0.5}, classes=3))
    with pytest.raises(InputError, match=r"worst case of one, two: rows have \(classes, background\)"):
        worst_cases(rows)
