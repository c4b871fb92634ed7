import math

import numpy as np
import pytest

from benchmark.results.intervals import bootstrap_means, bootstrap_medians, wilson


# Published: Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx([low, high], abs=5e-5)


def test_wilson_ends_exactly_at_certain_rates() -> None:
    assert wilson(0, 7)[0] == 0.0
    assert wilson(7, 7)[1] == 1.0
    assert wilson(0, 0) is None


def test_bootstrap_agrees_with_the_normal_interval_of_many_images() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, size=(400, 1))
    (interval,) = bootstrap_means(values, range(400))
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval == pytest.approx([values.mean() - half, values.mean() + half], abs=0.1 * half)


def test_images_of_one_patient_do_not_count_as_independent() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=10), 20)[:, None]
    (by_patient,) = bootstrap_means(values, np.repeat(np.arange(10), 20).tolist())
    (by_image,) = bootstrap_means(values, range(200))
    assert by_patient[1] - by_patient[0] > 3 * (by_image[1] - by_image[0])


def test_two_groups_give_their_own_values_as_bounds() -> None:
    assert bootstrap_means(np.array([[0.0], [0.0], [1.0]]), ["a", "a", "b"]) == [[0.0, 1.0]]


def test_missing_values_are_left_out_and_one_group_has_no_interval() -> None:
    values = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan], [np.nan, 2.0, np.nan], [1.0, np.nan, 7.0]])
    first, second, third = bootstrap_means(values, range(4))
    assert first == [1.0, 3.0]
    assert second == [2.0, 2.0]
    assert third is None


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random((30, 2))
    assert bootstrap_means(values, range(30)) == bootstrap_means(values, range(30))
    assert bootstrap_means(values, range(30), seed=1) != bootstrap_means(values, range(30))


def test_medians_agree_with_resampling_image_by_image() -> None:
    values = np.random.default_rng(1).exponential(size=31)
    rng = np.random.default_rng(2)
    medians = [np.median(values[rng.integers(31, size=31)]) for _ in range(4000)]
    (interval,) = bootstrap_medians(values[:, None], range(31))
    assert interval == pytest.approx(np.quantile(medians, [0.025, 0.975]), abs=0.1)


def test_medians_resample_groups_and_average_the_two_in_the_middle() -> None:
    # Draws of the two groups: both, or one of them twice, with medians 0, 3 and (0 + 3) / 2.
    values = np.array([[0.0], [0.0], [3.0], [3.0]])
    assert bootstrap_medians(values, ["a", "a", "b", "b"]) == [[0.0, 3.0]]
    assert bootstrap_medians(np.array([[0.0], [1.0], [5.0]]), ["a", "a", "b"], resamples=1)[0][0] in (0.5, 1.0, 5.0)


def test_medians_may_be_infinite_or_missing() -> None:
    values = np.array([[1.0, math.inf, math.nan, -math.inf], [2.0, math.inf, math.nan, math.inf], [math.inf] * 4])
    first, second, third, fourth = bootstrap_medians(values, range(3))
    assert first == [1.0, math.inf]
    assert second == [math.inf, math.inf]
    assert third is None
    assert fourth == [-math.inf, math.inf]


def test_same_seed_same_interval_of_the_median() -> None:
    values = np.random.default_rng(0).random((30, 2))
    assert bootstrap_medians(values, range(30)) == bootstrap_medians(values, range(30))
    assert bootstrap_medians(values, range(30), seed=1) != bootstrap_medians(values, range(30))
