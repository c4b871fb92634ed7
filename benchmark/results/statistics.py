"""Columns described: means, medians, quartiles, and their intervals over groups."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.columns import Rows, column, cost_of_success, flag
from benchmark.results.intervals import bootstrap_means, bootstrap_medians
from benchmark.runs import schema

NORMS = ("l0_share", *schema.NORMS)
"""Measured on successes only (`success`, for the file's norms `success8`): a failed image has no norm. `l0_share` is
l0 relative to height·width."""

_HIGHER_IS_BETTER = ("psnr", "ssim", "adv8_psnr")


def describe(columns: Mapping[str, NDArray[np.float64]], groups: Sequence[object]) -> dict[str, dict[str, Any]]:
    """Per column (N,): mean, sample std (n − 1), median, quartiles, `ci95` of the mean and `median_ci95`; NaN is left
    out. `groups` (N) are resampled whole."""
    values = np.stack(list(columns.values()), axis=1)
    means, medians = bootstrap_means(values, groups), bootstrap_medians(values, groups)
    return {
        name: _statistics(values[~np.isnan(values)]) | {"ci95": mean, "median_ci95": median}
        for (name, values), mean, median in zip(columns.items(), means, medians, strict=True)
    }


def describe_norms(rows: Rows, groups: Sequence[object]) -> dict[str, dict[str, Any]]:
    """Norms of the successes among the attacked images, and medians over all of these with failures as infinite.

    `median_all` takes for a failure what the norm's own flag says; for l1, l2 and linf, `median_all8` is of the
    files' norms and takes for a failure what failed as a file, as the headline success does.
    """
    attacked = ~flag(rows, "success_clean")
    flags = {name: "success8" if name.startswith("adv8_") else "success" for name in NORMS}
    succeeded = {name: attacked & flag(rows, flags[name]) for name in NORMS}
    values = {name: column(rows, name) for name in NORMS}
    described = describe({name: np.where(succeeded[name], values[name], np.nan) for name in NORMS}, groups)
    for name in NORMS:
        described[name] |= {
            "count": int(succeeded[name].sum()),
            "failures": int(attacked.sum() - succeeded[name].sum()),
        }
    worst = {name: -math.inf if name in _HIGHER_IS_BETTER else math.inf for name in NORMS}
    everything = {name: np.where(succeeded[name], values[name], worst[name]) for name in NORMS}
    everything8 = {name: cost_of_success(rows, name) for name in ("l1", "l2", "linf")}
    for key, chosen in (("median_all", everything), ("median_all8", everything8)):
        for name, median in _medians_of(chosen, attacked, groups).items():
            described[name] |= {key: median[0], f"{key}_ci95": median[1]}
    return described


def describe_success_passes(rows: Rows, groups: Sequence[object]) -> dict[str, Any]:
    """Passes to the first success of the attacked images whose file succeeds, and the median with failures infinite."""
    attacked = ~flag(rows, "success_clean")
    passes = cost_of_success(rows, "success_passes")
    succeeded = attacked & flag(rows, "success8")
    described = describe({"passes": np.where(succeeded, passes, np.nan)}, groups)["passes"]
    median, interval = _medians_of({"passes": passes}, attacked, groups)["passes"]
    counts = {"count": int(succeeded.sum()), "failures": int(attacked.sum() - succeeded.sum())}
    return described | counts | {"median_all": median, "median_all_ci95": interval}


def _medians_of(
    columns: Mapping[str, NDArray[np.float64]], attacked: NDArray[np.bool_], groups: Sequence[object]
) -> dict[str, tuple[float, list[float] | None]]:
    """Medians over the attacked images and their intervals, either of which may be infinite."""
    values = np.stack(list(columns.values()), axis=1)[attacked]
    intervals = bootstrap_medians(values, [group for group, chosen in zip(groups, attacked, strict=True) if chosen])
    with np.errstate(invalid="ignore"):  # -inf + inf is NaN
        medians = [float(np.median(one)) if one.size else math.nan for one in values.T]
    return dict(zip(columns, zip(medians, intervals, strict=True), strict=True))


def _statistics(values: NDArray[np.float64]) -> dict[str, float | None]:
    if len(values) == 0:
        return dict.fromkeys(("mean", "std", "median", "q25", "q75"))
    with np.errstate(invalid="ignore"):  # infinite values give NaN, which becomes null
        q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75])
        std = float(values.std(ddof=1)) if len(values) > 1 else None
        return {"mean": float(values.mean()), "std": std, "median": float(median), "q25": float(q25), "q75": float(q75)}
