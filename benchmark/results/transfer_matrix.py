"""Transfer: rows of one victim's adversarial images judged by other victims, and matrices of their results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmark.results.column_arrays import flag, groups_of, joined
from benchmark.results.erased_targets import count_judged_by_area
from benchmark.results.intervals import bootstrap_means, rate
from benchmark.runs import layout
from benchmark.runs.folder import RunFolder
from benchmark.runs.row_schema import CLASS_SCORES
from benchmark.runs.tables import Table, group_rows

PREDICTIONS = ("clean", "adv8", "noise8")
"""Predictions of the clean image, of the 8-bit file of the attack, and of 8-bit noise of the same norm."""

SCORES = ("iou_target", "iou_truth", "pixel_acc_target", "pixel_acc_truth", "dice_truth")

_IOUS = SCORES[:2]
_NORMS = ("l2", "linf", "noise8_l2", "noise8_linf")
_STRINGS = (
    *("run", "source_run", "source_victim", "source_weights_sha256", "victim", "weights_sha256"),
    *("attack", "family", "norm", "equal_norm", "data", "data_fingerprint", "split", "labels", "id", "group"),
    *("target", "judge"),
)
_FLAGS = (
    *("targeted", "white_box", "success8", "success_clean", "noise8_success"),
    *("source_success8", "source_success_clean"),
)

TRANSFER_SCHEMA = pa.schema(
    [
        *[(name, pa.string()) for name in _STRINGS],
        ("eps", pa.float64()),
        *[(name, pa.bool_()) for name in _FLAGS],
        *[(name, pa.int64()) for name in ("seed", "height", "width", "classes", "background", "valid_pixels")],
        ("target_pixels", pa.int64()),
        ("target_class_pixels", pa.list_(pa.int64())),
        *[(name, pa.float64()) for name in _NORMS],
        *[(f"source_adv8_{score}", pa.float64()) for score in _IOUS],
        *[(f"{p}_{score}", pa.float64()) for p in PREDICTIONS for score in SCORES],
        *[(f"{p}_confusion_truth", pa.list_(pa.int64())) for p in PREDICTIONS],
        ("overlapping", pa.bool_()),
        ("class_names", pa.string()),
        *[(f"{p}_{score}", pa.list_(pa.float64())) for p in PREDICTIONS for score in CLASS_SCORES],
    ]
)
"""One row per saved picture and evaluated model: the one judged is `victim`, the one attacked `source_victim`, each
with the hash of its weights; `white_box` where they are the same. Columns that begin with `source_` are the attacked
run's own. `success8`, `success_clean` and `noise8_success` are its judge's word on the evaluated model; `l2` and `linf`
are the file's, `noise8_l2` and `noise8_linf` those of the noise control, equal to it in the attack's norm."""

TRANSFER = Table(layout.TRANSFER, TRANSFER_SCHEMA, ("source_run", "attack", "id", "victim"), further=r"(?!)")

_TABLE = ("data", "data_fingerprint", "split", "labels", "attack", "norm", "eps", "equal_norm", "targeted", "judge")
_AGREEMENT = 0.01  # the change of an IoU that float32 rounding in other batches may cause


def summarise_transfer(rows: pa.Table) -> list[dict[str, Any]]:
    """One matrix per attack, budget, data set and judge: {"attack", ..., "clean", "matrix": {source: {victim: cell}}}.

    In a cell, `attacked` are the images that satisfy neither victim's judge when clean. `success8_rate` and
    `noise8_success_rate` are shares of the attacked images, `success8_rate_of_source_successes` is the share of the
    `source_successes`; all have Wilson intervals. `<clean|adv8|noise8>_iou_<target|truth>` and norms are means over all
    images with `ci95`, a bootstrap over groups. "clean" has the same IoUs of each victim on all clean images.
    `judged_by_area` counts the rows that are judged by what is left of an erased structure.
    """
    listed = rows.to_pylist()
    varying = _entries_with_varying_eps(listed)
    splits = {run: joined(members, "split") for run, members in group_rows(listed, "source_run").items()}
    tables: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in listed:
        per_image = (row["source_run"], row["attack"]) in varying
        named = row | {"split": splits[row["source_run"]]} | ({"eps": None} if per_image else {})
        key = tuple(named[name] for name in _TABLE)
        tables.setdefault(key, []).append(row)
    matrices = [
        dict(zip(_TABLE, key, strict=True))
        | {"judged_by_area": count_judged_by_area(members)}
        | {"clean": _baselines(members), "matrix": _matrix(members)}
        for key, members in tables.items()
    ]
    return sorted(matrices, key=_place)


def _place(table: Mapping[str, Any]) -> tuple[Any, ...]:
    """The sort key: data set, then attack, then rising budget."""
    family = table["attack"].split("@")[0]
    return (table["data"], table["split"], family, table["eps"] or 0, *(str(table[name]) for name in _TABLE))


def check_white_box(rows: pa.Table) -> dict[str, Any]:
    """Compare the rows in which the attacked model judges its own files with the rows of its run.

    Returns:
        {"rows", "differing", "largest_iou_difference"}; a row differs in success or by more than .01 of an IoU.
    """
    gaps, differing = [], 0
    for row in rows.to_pylist():
        if row["white_box"]:
            gaps.append(max(abs(row[f"adv8_{score}"] - row[f"source_adv8_{score}"]) for score in _IOUS))
            differing += gaps[-1] > _AGREEMENT or row["success8"] != row["source_success8"]
    return {"rows": len(gaps), "differing": differing, "largest_iou_difference": max(gaps, default=None)}


def write_transfer_summary(rows: pa.Table, folder: RunFolder, **more: Any) -> list[dict[str, Any]]:
    """Write summary.json, {"tables": [...], "white_box": ..., **more}, and return the tables."""
    tables = summarise_transfer(rows)
    folder.write_summary({"tables": tables, "white_box": check_white_box(rows), **more})
    return tables


def _entries_with_varying_eps(rows: Sequence[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """The (source run, attack) in which each image has a budget of its own, so that they form one table."""
    seen: dict[tuple[str, str], set[float | None]] = {}
    for row in rows:
        seen.setdefault((row["source_run"], row["attack"]), set()).add(row["eps"])
    equal = {(row["source_run"], row["attack"]) for row in rows if row["equal_norm"] is not None}
    return equal | {entry for entry, budgets in seen.items() if len(budgets) > 1}


def _baselines(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Victim -> its results on the clean images, each with each of its targets once."""
    baselines = {}
    for victim, members in sorted(group_rows(rows, "victim").items()):
        clean = list({(row["id"], row["target"]): row for row in members}.values())
        baselines[victim] = {
            "images": len(clean),
            "already_satisfied": int(flag(clean, "success_clean").sum()),
            **_means(clean, [f"clean_{score}" for score in _IOUS]),
        }
    return baselines


def _matrix(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    by_source: dict[str, list[Mapping[str, Any]]] = {}
    for name, of_model in group_rows(rows, "source_victim").items():
        by_run = group_rows(of_model, "source_run")
        by_source |= {name if len(by_run) == 1 else f"{name} ({run})": members for run, members in by_run.items()}
    return {
        source: {victim: _cell(cell) for victim, cell in sorted(group_rows(members, "victim").items())}
        for source, members in sorted(by_source.items())
    }


def _cell(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    attacked = [row for row in rows if not (row["success_clean"] or row["source_success_clean"])]
    from_source = [row for row in attacked if row["source_success8"]]
    return {
        "white_box": rows[0]["white_box"],
        "images": len(rows),
        "attacked": len(attacked),
        "source_successes": len(from_source),
        **rate("success8_rate", flag(attacked, "success8")),
        **rate("success8_rate_of_source_successes", flag(from_source, "success8")),
        **rate("noise8_success_rate", flag(attacked, "noise8_success")),
        **_means(rows, [*(f"{p}_{score}" for score in _IOUS for p in PREDICTIONS), *_NORMS]),
    }


def _means(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
    intervals = bootstrap_means(values, groups_of(rows))
    means = values.mean(0).tolist()
    return {name: {"mean": mean, "ci95": ci} for name, mean, ci in zip(names, means, intervals, strict=True)}
