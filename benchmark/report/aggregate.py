"""Rows to summaries: the numbers of summary.json, the console table and the dashboards."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmark import records
from benchmark.errors import InputError
from benchmark.records import PREDICTIONS, SCHEMA, group_rows
from benchmark.report.intervals import bootstrap_means, wilson
from benchmark.saving import save_text

LABELS = ("run", "victim", "data", "split", "target", "judge")
"""Columns that say what was measured; a summary holds the value, or the values joined by ", "."""

COSTS = ("steps", "forwards", "backwards", "zero_gradients", "seconds")
NORMS = ("l0_share", *records.NORMS)
"""Measured on successes only (`success`, for the file's norms `success8`): a failed image has no norm. `l0_share` is
l0 relative to height·width."""

SCORES = tuple(
    name
    for name in SCHEMA.names
    if name.split("_")[0] in PREDICTIONS and name not in NORMS and not name.endswith("confusion_truth")
)

_HIGHER_IS_BETTER = ("psnr", "ssim", "adv8_psnr")


def summarise(rows: pa.Table) -> list[dict[str, Any]]:
    """One summary per attack, in alphabetical order.

    `success_rate` and `success8_rate` are over `attacked` images, those the clean image did not satisfy already
    (`already_satisfied`), with Wilson intervals beside them; null if there are none. Costs and scores are over all
    images. Norms are over the `count` successes among the attacked, with `failures` beside them; `median_all` is the
    median over all attacked images with failures as infinitely visible, and null where that is not finite.
    `std` is the sample's (n − 1), `ci95` a seeded bootstrap of the mean over groups (images where unknown).

    `dataset` is computed from confusion counts summed over all images: `*_miou*` is the mean IoU over all classes,
    background included, `*_foreground_iou*` is the IoU of the foreground (two classes) or the mean over its classes;
    both leave out classes that occur neither in the truth nor in any prediction.

    Args:
        rows: as `benchmark.records.read` returns them.

    Raises:
        InputError: rows of one attack have different numbers of classes.
    """
    listed = sorted(rows.to_pylist(), key=lambda row: (str(row["attack"]), str(row["id"])))
    by_attack = group_rows(listed, "attack")
    return [_strict(_summarise_attack(attack, group)) for attack, group in by_attack.items()]


def write_summary(rows: pa.Table, path: Path) -> list[dict[str, Any]]:
    """Write summary.json whole or not at all: the summary of one attack, or {"attacks": [...]}; returns the list."""
    summaries = summarise(rows)
    document = summaries[0] if len(summaries) == 1 else {"attacks": summaries}
    save_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return summaries


def _summarise_attack(attack: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    # Images without a group are groups of their own, and never share a label with a real group.
    groups = [("group", row["group"]) if row["group"] else ("id", row["id"]) for row in rows]
    attacked = [row for row in rows if not row["success_clean"]]
    summary: dict[str, Any] = {
        "attack": attack,
        **{name: ", ".join(dict.fromkeys(_label(row, name) for row in rows if row[name])) for name in LABELS},
        "images": len(rows),
        "attacked": len(attacked),
        "already_satisfied": len(rows) - len(attacked),
        "nonfinite_gradient": sum(bool(row["nonfinite_gradient"]) for row in rows),
        "no_gradient": sum(row["backwards"] > 0 and row["zero_gradients"] >= row["backwards"] for row in rows),
    }
    for flag in ("success", "success8"):
        hits = sum(bool(row[flag]) for row in attacked)
        summary[f"{flag}_rate"] = hits / len(attacked) if attacked else None
        summary[f"{flag}_rate_ci95"] = wilson(hits, len(attacked))
    summary |= _describe({name: _column(rows, name) for name in (*COSTS, *SCORES)}, groups)
    summary |= _describe_norms(rows, groups)
    summary["dataset"] = _dataset_scores(attack, rows)
    return summary


def _label(row: Mapping[str, Any], name: str) -> str:
    # A row's target names the very map after a colon; what a summary has in common is how it was drawn.
    return str(row[name]).split(":")[0] if name == "target" else str(row[name])


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    if name == "l0_share":
        return _column(rows, "l0") / (_column(rows, "height") * _column(rows, "width"))
    return np.array([math.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)


def _describe(columns: Mapping[str, NDArray[np.float64]], groups: Sequence[object]) -> dict[str, dict[str, Any]]:
    intervals = bootstrap_means(np.stack(list(columns.values()), axis=1), groups)
    return {
        name: _statistics(values[~np.isnan(values)]) | {"ci95": interval}
        for (name, values), interval in zip(columns.items(), intervals, strict=True)
    }


def _statistics(values: NDArray[np.float64]) -> dict[str, float | None]:
    if len(values) == 0:
        return dict.fromkeys(("mean", "std", "median", "q25", "q75"))
    with np.errstate(invalid="ignore"):  # infinite values give NaN, which becomes null
        q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75])
        std = float(values.std(ddof=1)) if len(values) > 1 else None
        return {"mean": float(values.mean()), "std": std, "median": float(median), "q25": float(q25), "q75": float(q75)}


def _describe_norms(rows: Sequence[Mapping[str, Any]], groups: Sequence[object]) -> dict[str, dict[str, Any]]:
    attacked = np.array([not row["success_clean"] for row in rows], dtype=bool)
    # The file's norms are those of files that succeed.
    succeeded = {
        name: attacked & np.array([bool(row[flag]) for row in rows], dtype=bool)
        for name in NORMS
        for flag in ["success8" if name.startswith("adv8_") else "success"]
    }
    all_values = {name: _column(rows, name) for name in NORMS}
    chosen = {name: np.where(succeeded[name], values, np.nan) for name, values in all_values.items()}
    described = _describe(chosen, groups)
    for name, values in all_values.items():
        worst = -math.inf if name in _HIGHER_IS_BETTER else math.inf
        with np.errstate(invalid="ignore"):
            median = (
                float(np.median(np.where(succeeded[name], values, worst)[attacked])) if attacked.any() else math.nan
            )
        described[name] |= {
            "count": int(succeeded[name].sum()),
            "failures": int(attacked.sum() - succeeded[name].sum()),
            "median_all": median,
        }
    return described


def _dataset_scores(attack: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    import torch  # here, because it takes seconds to import and only these few sums need it

    from benchmark import metrics

    kinds = {(row["classes"], row["background"]) for row in rows}
    if len(kinds) != 1:
        raise InputError(
            f"{attack}: rows have (classes, background) {sorted(kinds, key=str)}; "
            "summarise rows of one data set and victim at a time"
        )
    size, background = kinds.pop()
    scores = {}
    for prediction in PREDICTIONS:
        counts = np.array([row[f"{prediction}_confusion_truth"] for row in rows], dtype=np.int64).sum(0)
        table = torch.from_numpy(counts.reshape(size, size))
        suffix = "" if prediction == "clean" else "_truth"
        scores[f"{prediction}_miou{suffix}"] = float(metrics.iou(table, background=None))
        scores[f"{prediction}_foreground_iou{suffix}"] = float(metrics.iou(table, background=background))
    return scores


def _strict(value: Any) -> Any:
    """The same with NaN and infinities as None: JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
