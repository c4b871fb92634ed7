"""Results of one attack's rows part by part: what every division into strata says of each of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.columns import Rows, attacked_rows, column, cost_of_success, flag, norm_column
from benchmark.results.intervals import wilson


def strata(rows: Rows, names: NDArray[np.str_], order: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Success, norm and scores of the rows of each name (N,), in this order, for the names that occur.

    Norms are of the 8-bit file in the attack's own `norm`: `median_norm` of the files that succeed,
    `median_norm_all` of all attacked images with failures infinite.
    """
    chosen = {name: [row for row, its in zip(rows, names, strict=True) if its == name] for name in order}
    return {name: _stratum(members, norm_column(rows)) for name, members in chosen.items() if members}


def _stratum(rows: Rows, norm: str) -> dict[str, Any]:
    attacked = attacked_rows(rows)
    hits = int(flag(attacked, "success8").sum())
    norms = cost_of_success(attacked, norm)
    return {
        "images": len(rows),
        "attacked": len(attacked),
        "success8_rate": hits / len(attacked) if attacked else None,
        "success8_rate_ci95": wilson(hits, len(attacked)),
        "norm": norm,
        "median_norm": float(np.median(norms[np.isfinite(norms)])) if np.isfinite(norms).any() else None,
        "median_norm_all": float(np.median(norms)) if attacked else None,
        **{name: float(column(rows, name).mean()) for name in ("adv8_iou_target", "adv8_iou_truth")},
    }
