"""95 % confidence intervals: Wilson for rates, percentile bootstrap over groups for means and medians.

SciPy's bootstrap does not resample groups of several images, so the bootstrap is written out here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
_CHUNK = 100  # resamples drawn at a time: bounds memory at 100 × groups


def wilson(successes: int, trials: int) -> list[float] | None:
    """Wilson score interval [low, high] of a rate (Wilson 1927); None without trials."""
    if trials == 0:
        return None
    from scipy.stats import binomtest  # here, because it takes seconds to import

    low, high = binomtest(successes, trials).proportion_ci(method="wilson")
    return [float(low), float(high)]


def rate(name: str, flags: NDArray[np.bool_]) -> dict[str, Any]:
    """{name: the share of the flags (N,) that are set, null without any, `<name>_ci95`: its Wilson interval}."""
    return {name: float(flags.mean()) if len(flags) else None, f"{name}_ci95": wilson(int(flags.sum()), len(flags))}


def bootstrap_means(
    values: NDArray[np.float64], groups: Sequence[object], seed: int = 0, resamples: int = RESAMPLES
) -> list[list[float] | None]:
    """Percentile bootstrap of column means, resampling whole groups (all images of a patient together).

    Args:
        values: (N, C); NaN where an image has no value in that column.
        groups: N group labels, of which at least two must differ for an interval to exist.
        seed: of the resampling; the same seed and rows give the same intervals.

    Returns:
        Per column [2.5 %, 97.5 %] of the mean of the values present, or None where fewer than two groups have any.
    """
    n_groups, members = _numbered(groups)
    sums, counts = np.zeros((n_groups, values.shape[1])), np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, members, np.where(np.isnan(values), 0.0, values))
    np.add.at(counts, members, ~np.isnan(values))
    usable = ((counts > 0).sum(0) >= 2) & np.isfinite(sums).all(0)
    if not usable.any():
        return [None] * values.shape[1]
    chunks = []
    for times in _draws(n_groups, np.random.default_rng(seed), resamples):
        drawn = times @ counts[:, usable]
        with np.errstate(invalid="ignore", divide="ignore"):
            chunks.append(np.where(drawn > 0, (times @ sums[:, usable]) / drawn, np.nan))
    low, high = np.nanquantile(np.concatenate(chunks), [0.025, 0.975], axis=0)
    bounds = iter(zip(low.tolist(), high.tolist(), strict=True))
    return [list(next(bounds)) if ok else None for ok in usable]


def bootstrap_medians(
    values: NDArray[np.float64], groups: Sequence[object], seed: int = 0, resamples: int = RESAMPLES
) -> list[list[float] | None]:
    """The same for the medians of columns. Values may be infinite, and then a bound may be infinite too.

    A resampled median between two infinities of different sign is left out.
    """
    n_groups, members = _numbered(groups)
    columns: list[tuple[NDArray[np.float64], NDArray[np.intp]] | None] = []
    for column in values.T:
        present = np.flatnonzero(~np.isnan(column))
        present = present[np.argsort(column[present], kind="stable")]
        enough = len(np.unique(members[present])) >= 2
        columns.append((column[present], members[present]) if enough else None)
    medians: list[list[NDArray[np.float64]]] = [[] for _ in columns]
    for times in _draws(n_groups, np.random.default_rng(seed), resamples):
        for resampled, one in zip(medians, columns, strict=True):
            if one is not None:
                resampled.append(_weighted_medians(one[0], times[:, one[1]]))
    return [_percentiles(np.concatenate(resampled)) if resampled else None for resampled in medians]


def resampled(groups: Sequence[object], seed: int = 0, resamples: int = RESAMPLES) -> Iterator[NDArray[np.int32]]:
    """How often each image is drawn in each resample, (up to 100, N) at a time; nothing for fewer than two groups."""
    n_groups, members = _numbered(groups)
    if n_groups >= 2:
        for times in _draws(n_groups, np.random.default_rng(seed), resamples):
            yield times[:, members]


def _weighted_medians(ascending: NDArray[np.float64], times: NDArray[np.int32]) -> NDArray[np.float64]:
    """Medians (R,) of the values (N,), repeated as often as each row of `times` (R, N) says; NaN for a row of zeros."""
    if ascending[0] == ascending[-1]:
        return np.where(times.any(axis=1), ascending[0], np.nan)
    below = np.cumsum(times, axis=1, dtype=np.int32)
    total = below[:, -1:]
    last = len(ascending) - 1  # only a row of zeros would go beyond
    lower = np.minimum((2 * below < total).sum(1), last)
    upper = np.minimum((2 * below <= total).sum(1), last)
    with np.errstate(invalid="ignore"):  # -inf + inf is NaN
        middle = (ascending[lower] + ascending[upper]) / 2
    return np.where(total[:, 0] > 0, middle, np.nan)


def _percentiles(medians: NDArray[np.float64]) -> list[float]:
    known = np.sort(medians[~np.isnan(medians)])
    # The nearest resample: next to an infinity there is nothing to interpolate.
    return [float(known[round(share * (len(known) - 1))]) for share in (0.025, 0.975)]


def _numbered(groups: Sequence[object]) -> tuple[int, NDArray[np.intp]]:
    """How many groups there are, and the number of the group of each image."""
    _, members = np.unique([str(group) for group in groups], return_inverse=True)
    return int(members.max(initial=-1)) + 1, members


def _draws(n_groups: int, rng: np.random.Generator, resamples: int) -> Iterator[NDArray[np.int32]]:
    """How often each group is drawn, (up to _CHUNK, n_groups) at a time, drawing n_groups with replacement."""
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = rng.integers(n_groups, size=(rows, n_groups)) + n_groups * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_groups).reshape(rows, n_groups).astype(np.int32)
