"""Means, medians, quartiles of columns, and bootstrap intervals over groups."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.column_arrays import Rows, column, cost_of_success, flag
from benchmark.results.intervals import bootstrap_means, bootstrap_medians
from benchmark.runs import row_schema

NORMS = ("l0_share", *row_schema.NORMS)
"""Columns that describe successes only (`success`; `success8` for the norms of the file), because a failed image has no
norm. `l0_share` is l0 / (height · width)."""

_HIGHER_IS_BETTER = ("psnr", "ssim", "adv8_psnr")


def describe(columns: Mapping[str, NDArray[np.float64]], groups: Sequence[object]) -> dict[str, dict[str, Any]]:
    """Column -> its mean, sample standard deviation (n - 1), median, quartiles, and intervals `ci95` and `median_ci95`.

    Args:
        columns: name -> values (N,); NaN is left out.
        groups: the group of each value (N), which the bootstrap resamples as a whole.
    """
    values = np.stack(list(columns.values()), axis=1)
    means, medians = bootstrap_means(values, groups), bootstrap_medians(values, groups)
    return {
        name: _statistics(values[~np.isnan(values)]) | {"ci95": mean, "median_ci95": median}
        for (name, values), mean, median in zip(columns.items(), means, medians, strict=True)
    }


def describe_norms(rows: Rows, groups: Sequence[object]) -> dict[str, dict[str, Any]]:
    """Norms of the successes among the attacked images, and medians over all attacked images with failures infinite.

    `median_all` counts failures by the flag that belongs to the column (see `NORMS`). `median_all8`, which l1, l2 and
    linf have, is the median norm of the files and counts failures by `success8`, as the headline success does.
    """
    attacked = ~flag(rows, "success_clean")
    flags = {name: "success8" if name.startswith("adv8_") else "success" for name in NORMS}
    succeeded = {name: attacked & flag(rows, flags[name]) for name in NORMS}
    values = {name: column(rows, name) for name in NORMS}
    described = describe({name: np.where(succeeded[name], values[name], np.nan) for name in NORMS}, groups)
    for name in NORMS:
        described[name] |= _counts(succeeded[name], attacked)
    worst = {name: -math.inf if name in _HIGHER_IS_BETTER else math.inf for name in NORMS}
    everything = {name: np.where(succeeded[name], values[name], worst[name]) for name in NORMS}
    everything8 = {name: cost_of_success(rows, name) for name in ("l1", "l2", "linf")}
    for key, chosen in (("median_all", everything), ("median_all8", everything8)):
        for name, median in _medians_of(chosen, attacked, groups, key).items():
            described[name] |= median
    return described


def describe_success_passes(rows: Rows, groups: Sequence[object]) -> dict[str, Any]:
    """Passes to the first success, over the files that succeed, and their median over all with failures infinite."""
    attacked = ~flag(rows, "success_clean")
    passes = cost_of_success(rows, "success_passes")
    succeeded = attacked & flag(rows, "success8")
    described = describe({"passes": np.where(succeeded, passes, np.nan)}, groups)["passes"]
    median = _medians_of({"passes": passes}, attacked, groups, "median_all")["passes"]
    return described | _counts(succeeded, attacked) | median


def _counts(succeeded: NDArray[np.bool_], attacked: NDArray[np.bool_]) -> dict[str, int]:
    return {"count": int(succeeded.sum()), "failures": int(attacked.sum() - succeeded.sum())}


def _medians_of(
    columns: Mapping[str, NDArray[np.float64]], attacked: NDArray[np.bool_], groups: Sequence[object], key: str
) -> dict[str, dict[str, Any]]:
    """Column -> its median over the attacked images as `key`, and the interval; both may be infinite."""
    values = np.stack(list(columns.values()), axis=1)[attacked]
    intervals = bootstrap_medians(values, [group for group, chosen in zip(groups, attacked, strict=True) if chosen])
    with np.errstate(invalid="ignore"):  # -inf + inf is NaN
        medians = [float(np.median(one)) if one.size else math.nan for one in values.T]
    return {
        name: {key: median, f"{key}_ci95": interval}
        for name, median, interval in zip(columns, medians, intervals, strict=True)
    }


def _statistics(values: NDArray[np.float64]) -> dict[str, float | None]:
    if len(values) == 0:
        return dict.fromkeys(("mean", "std", "median", "q25", "q75"))
    with np.errstate(invalid="ignore"):  # infinite values give NaN, which becomes null
        q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75])
        std = float(values.std(ddof=1)) if len(values) > 1 else None
        return {"mean": float(values.mean()), "std": std, "median": float(median), "q25": float(q25), "q75": float(q75)}
