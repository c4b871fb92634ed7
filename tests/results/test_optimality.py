"""Optimality against values computed by hand and against NumPy's trapezoid rule."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.results.optimality import curve_points, mean_intervals, optimality, optimality_intervals

INF = math.inf


def _optimality(*attacks: list[float]) -> list[float]:
    """Of attacks on the same images, each a list of norms; the smallest are theirs together."""
    norms = np.array(attacks).T
    return optimality(norms, norms.min(axis=1))[0].tolist()


def test_two_attacks_by_hand() -> None:
    # Smallest norms 1, 2, 4: their points (0, 1), (1, 2/3), (2, 1/3), (4, 0) have the area 5/6 + 1/2 + 1/3 = 5/3.
    # The second attack: (0, 1), (2, 2/3), (3, 1/3), (4, 0), 5/3 + 1/2 + 1/6 = 7/3. Never: 4.
    assert _optimality([1, 2, 4], [2, 3, 4]) == pytest.approx([1, 1 - (7 / 3 - 5 / 3) / (4 - 5 / 3)])


def test_failures_are_infinite_and_clipped_at_the_largest_smallest_norm() -> None:
    # The second attack: (0, 1), (1, 2/3), (4, 2/3): 5/6 + 2 = 17/6. Of m = 4 on nothing is counted, and so is 9.
    never = 1 - (17 / 6 - 5 / 3) / (4 - 5 / 3)
    assert _optimality([1, 2, 4], [1, INF, INF], [1, INF, 9], [INF, INF, INF]) == pytest.approx([1, never, never, 0])


def test_images_that_need_no_norm_lower_the_share_that_can_be_reached() -> None:
    # c = 3/4: smallest 0, 1, 2, 4 have the points (0, 3/4), (1, 1/2), (2, 1/4), (4, 0) and the area 5/8 + 3/8 + 1/4.
    # The second attack (0, 3/4), (2, 1/2), (4, 1/2): 5/4 + 1. Never: 3/4 · 4.
    assert _optimality([0, 1, 2, 4], [0, 2, INF, INF]) == pytest.approx([1, 1 - (9 / 4 - 5 / 4) / (3 - 5 / 4)])


def test_equal_norms_count_one_by_one() -> None:
    # Larger on each image, so not better: (0, 1), (16, 2/3), (16, 1/3), (20, 0) is 40/3 + 2/3 against 13. With one
    # point for each different norm it would be 34/3.
    assert _optimality([14, 15, 20], [16, 16, 20]) == pytest.approx([1, 1 - (14 - 13) / (20 - 13)])


def test_norms_that_differ_by_rounding_are_equal() -> None:
    assert _optimality([1, 2 * (1 + 1e-8)], [1 * (1 + 1e-8), 2]) == [1, 1]


def test_one_image_is_reached_or_not() -> None:
    assert _optimality([3], [INF], [5]) == [1, 0, 0]


def test_an_attack_alone_has_all_of_it() -> None:
    assert _optimality([3, 1, 0, 8]) == [1]


@pytest.mark.parametrize("norms", [[], [0.0, 0.0]])
def test_where_no_image_needs_a_norm_there_is_none(norms: list[float]) -> None:
    assert np.isnan(_optimality(norms, norms)).all()


def _drawn(seed: int, images: int = 30, attacks: int = 4) -> NDArray[np.float64]:
    """Norms with ties, zeros and failures; on each image one attack at least succeeds."""
    random = np.random.default_rng(seed)
    norms = np.round(random.lognormal(1, 1, (images, attacks)) * 4) / 4
    norms[random.random((images, attacks)) < 0.2] = INF
    norms[~np.isfinite(norms).any(axis=1), 0] = 3.0
    norms[:2] = 0
    return norms


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_trapezoid_rule_through_the_points(seed: int) -> None:
    norms = _drawn(seed)
    smallest = norms.min(axis=1)
    most, c = smallest.max(), (smallest > 0).mean()
    best = np.trapezoid(*curve_points(smallest, most)[::-1])
    found = optimality(norms, smallest)[0]
    for one, value in zip(norms.T, found, strict=True):
        area = np.trapezoid(*curve_points(one, most)[::-1])
        assert value == pytest.approx(1 - (area - best) / (c * most - best))
    assert (found <= 1).all()
    assert (found >= 0).all()


def test_the_points_end_with_what_is_left() -> None:
    x, y = curve_points(np.array([2.0, 0.0, INF, 1.0]), 4.0)
    assert x.tolist() == [0, 0, 1, 2, 4]
    assert y.tolist() == [1, 0.75, 0.5, 0.25, 0.25]


def test_images_that_are_drawn_twice_count_twice() -> None:
    norms = _drawn(1)
    times = np.random.default_rng(2).integers(0, 3, (6, len(norms))).astype(np.int32)
    found = optimality(norms, norms.min(axis=1), times)
    for row, values in zip(times, found, strict=True):
        again = np.repeat(norms, row, axis=0)
        assert values == pytest.approx(optimality(again, again.min(axis=1))[0])


def test_the_interval_holds_the_value_and_has_no_width_on_the_envelope() -> None:
    norms = _drawn(3)
    norms[:, 0] = norms.min(axis=1)
    intervals = optimality_intervals(norms, norms[:, 0], range(len(norms)))
    assert intervals[0] == [1, 1]
    for value, bounds in zip(optimality(norms, norms[:, 0])[0][1:], intervals[1:], strict=True):
        assert bounds is not None
        low, high = bounds
        assert 0 <= low < value < high < 1


def test_images_of_one_patient_are_drawn_together() -> None:
    norms = _drawn(4)
    alone = optimality_intervals(norms, norms.min(axis=1), range(30))
    assert optimality_intervals(norms, norms.min(axis=1), [0] * 30) == [None] * 4
    assert optimality_intervals(norms, norms.min(axis=1), [k % 3 for k in range(30)]) != alone


def test_the_interval_of_a_mean_is_that_of_one_scenario_given_twice() -> None:
    norms = _drawn(5)
    given = (norms, norms.min(axis=1), range(30))
    once, twice = optimality_intervals(*given), mean_intervals(*([one, one] for one in given))
    for one, both in zip(once, twice, strict=True):
        assert both == pytest.approx(one)
    apart = mean_intervals(*zip(given, (*given[:2], range(30, 60)), strict=True))
    widths = [[high - low for low, high in bounds] for bounds in (once, apart) if None not in bounds]
    assert all(narrow < 0.9 * wide for wide, narrow in zip(*widths, strict=True) if wide)


def test_of_nothing_there_are_no_intervals() -> None:
    assert mean_intervals([], [], []) == []
    assert optimality_intervals(np.zeros((0, 2)), np.zeros(0), []) == [None, None]
