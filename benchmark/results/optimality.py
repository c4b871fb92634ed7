"""Optimality: how close an attack comes to the smallest norms known (AttackBench, Cinà et al., arXiv 2404.19460).

ρ(d) is the share of the images on which an attack has not succeeded yet at norm d. Its area A up to m, the largest of
the smallest norms, is compared with the area A* of the smallest norms themselves and with that of an attack that never
succeeds, c·m, where c is the share of the images whose smallest norm is above 0:

    optimality = 1 − (A − A*) / (c·m − A*)

It is 1 for an attack that finds the smallest norm of every image, and 0 for one that never succeeds below m. Areas are
taken by the trapezoid rule through the points (d, ρ(d)), one for each image in the order of their norms, from (0, 1)
to (m, ρ(m)). At m itself ρ still counts images whose norm is larger, so that a failure, whose norm is infinite, is
clipped at m and costs what it costs there. Each success lowers the area of the steps of ρ by half of a step, which adds
up to half of the attack's largest norm up to m:

    N·A = Σ_i min(d_i, m) − max {d_i : d_i ≤ m} / 2

The published code takes points of different norm only, so that an attack whose norms are equal on many images, as L∞
norms of files often are, gets a smaller area than its steps have, and may come out better than the smallest norms.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.results.intervals import resampled

SAME = 1e-6
"""Norms are equal that differ by less than this share, which rounding to float32 can cause."""


def snapped(norms: NDArray[np.float64], smallest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The norms (N, A) of attacks with those that equal the smallest one (N,) of their image set to it exactly."""
    limit = smallest[:, None]
    return np.where(norms <= limit * (1 + SAME), limit, norms)


def optimality(
    norms: NDArray[np.float64], smallest: NDArray[np.float64], times: NDArray[np.int32] | None = None
) -> NDArray[np.float64]:
    """The optimality of each attack.

    Args:
        norms: (N, A) of each attack's success on each image; infinite for a failure, 0 for an image that needs none.
        smallest: (N,) norms known, all finite and none larger than those of its image.
        times: (R, N) how often each image counts; None: once.

    Returns:
        (R, A) of each row of `times`, which are one if there are none; NaN where no image that counts needs a norm.
    """
    times = np.ones((1, len(smallest)), np.int32) if times is None else times
    most = np.where(times > 0, smallest, 0.0).max(axis=1, initial=0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        never, best = (times @ (smallest > 0)) * most, _area(smallest, most, times)
        areas = [_area(one, most, times) for one in snapped(norms, smallest).T]
        found = [np.clip(1 - (area - best) / (never - best), 0, 1) for area in areas]  # rounding may leave [0, 1]
    return np.stack(found, axis=1) if found else np.zeros((len(times), 0))


def curve_points(norms: NDArray[np.float64], most: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points (d, ρ(d)) of an attack with these norms (N,), from (0, 1) to (most, ρ(most)), both (M,)."""
    reached = np.sort(norms[norms <= most * (1 + SAME)])
    share = 1 - np.arange(len(reached) + 1) / max(len(norms), 1)
    return np.concatenate([[0.0], np.minimum(reached, most), [most]]), np.append(share, share[-1])


def _area(norms: NDArray[np.float64], most: NDArray[np.float64], times: NDArray[np.int32]) -> NDArray[np.float64]:
    """N·A (R,) of the norms (N,) up to each of `most` (R,)."""
    limits = most[:, None]
    clipped = np.minimum(norms, limits)
    reached = np.where((times > 0) & (norms <= limits * (1 + SAME)), clipped, 0.0).max(axis=1, initial=0.0)
    return (times * clipped).sum(axis=1) - reached / 2


def optimality_intervals(
    norms: NDArray[np.float64], smallest: NDArray[np.float64], groups: Sequence[object]
) -> list[list[float] | None]:
    """Percentile bootstrap [2.5 %, 97.5 %] of each attack's optimality, resampling whole groups of images.

    Arguments as in `optimality`; `groups` are N labels. None where fewer than two groups differ, or none needs a norm.
    """
    return mean_intervals([norms], [smallest], [groups])


def mean_intervals(
    norms: Sequence[NDArray[np.float64]], smallest: Sequence[NDArray[np.float64]], groups: Sequence[Sequence[object]]
) -> list[list[float] | None]:
    """The same for the mean of the optimality over several scenarios, all with the same attacks.

    An image or a group that several scenarios share is drawn for all of them at once. A resample in which a scenario
    has no image that needs a norm is left out.
    """
    ends = np.cumsum([len(one) for one in smallest])[:-1]
    drawn = []
    for times in resampled([group for one in groups for group in one]):
        parts = zip(norms, smallest, np.split(times, ends, axis=1), strict=True)
        drawn.append(np.mean([optimality(*part) for part in parts], axis=0))
    values = np.concatenate(drawn) if drawn else np.zeros((0, norms[0].shape[1] if norms else 0))
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        return [None] * values.shape[1]
    return [list(map(float, bounds)) for bounds in np.quantile(values, [0.025, 0.975], axis=0).T]
