"""The results of one attack by strata of its rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.results.column_arrays import Rows, attacked_rows, column, cost_of_success, flag, norm_column
from benchmark.results.intervals import rate


def strata(rows: Rows, names: NDArray[np.str_], order: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Stratum -> success, norm and scores of its rows, for the strata that occur.

    `norm` names the attack's norm, which is measured on the 8-bit files: `median_norm` over those that succeed,
    `median_norm_all` over all attacked images with failures infinite. The rows are those of one attack; `names` (N,)
    has the stratum of each, and `order` all strata in the order of the result.
    """
    chosen = {name: [row for row, stratum in zip(rows, names, strict=True) if stratum == name] for name in order}
    return {name: _stratum(members, norm_column(rows)) for name, members in chosen.items() if members}


def _stratum(rows: Rows, norm: str) -> dict[str, Any]:
    attacked = attacked_rows(rows)
    norms = cost_of_success(attacked, norm)
    return {
        "images": len(rows),
        "attacked": len(attacked),
        **rate("success8_rate", flag(attacked, "success8")),
        "norm": norm,
        "median_norm": float(np.median(norms[np.isfinite(norms)])) if np.isfinite(norms).any() else None,
        "median_norm_all": float(np.median(norms)) if attacked else None,
        **{name: float(column(rows, name).mean()) for name in ("adv8_iou_target", "adv8_iou_truth")},
    }
