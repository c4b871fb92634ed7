"""Relations that a row must satisfy in the columns of the float32 result, which cannot be recomputed.

In every value the result lies within half a level of its file, so that its norms lie near those of the file. Its scores
to the truth follow from its confusion counts.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmark import metrics
from benchmark.criterion import Criterion
from benchmark.evaluation.case import Case
from benchmark.evaluation.scoring import class_scores
from benchmark.images.quantisation import Quantizer
from benchmark.label_subsets import NO_LABEL, label_count
from benchmark.results.column_arrays import NORM_COLUMNS
from benchmark.runs.row_schema import PREDICTIONS
from benchmark.verify.relations import Relation, Trace, numbers

_ROUNDING = 1e-6  # relative error of float32 values, which the result consists of
_TIES = 0.01  # by how much scores may differ in pixels where classes tie within float32
_TRACED = 1e-4  # relative error of the float32 sums in traces
# The column that holds the score of a judge, after its prefix.
_JUDGED = {
    ("iou", "target"): "iou_target",
    ("iou", "truth"): "iou_truth",
    ("dice", "truth"): "dice_truth",
    ("apsr", "target"): "pixel_acc_target",
    ("apsr", "truth"): "pixel_acc_truth",
}


def visibility(
    row: Mapping[str, Any],
    case: Case,
    *,
    file: Mapping[str, float],
    budget: float | None,
    trace: Trace | None,
    quantizer: Quantizer,
) -> Iterator[Relation]:
    """Relations of the norms of the result.

    Args:
        row: the row.
        case: its image.
        file: norms of the saved file, as `scoring.score_perturbation` returns them.
        budget: the largest norm allowed, in the norm of the attack; None: any.
        trace: of the row; None: it has none.
        quantizer: of the file.
    """
    v, values, channels = numbers(row), case.image.numel(), case.image.shape[0]
    half = 0.5 / quantizer.highest
    # By how much these norms can change when every value is rounded to the nearest level.
    rounding = {"l1": values * half, "l2": math.sqrt(values) * half, "linf": half}
    for name, distance in rounding.items():
        near = abs(v[name] - file[name]) <= distance + _ROUNDING * max(1, file[name])
        yield Relation(name, near, f"must be within {distance:.6g} of the file's {file[name]:.6g}")
    # Clean images have exact levels: a pixel that differs in the file differs in the result.
    pixels = case.image[0].numel()
    yield Relation("l0", file["l0"] <= v["l0"] <= pixels, f"must be from the file's {file['l0']:g} to {pixels}")
    changed = v["l0"] * channels
    yield Relation("l1", _most(v["l1"], changed * v["linf"]), "must be at most l0 · channels · linf")
    yield Relation("l2", _most(v["l2"], v["l1"]), "must be at most l1")
    yield Relation("linf", _most(v["linf"], v["l2"]), "must be at most l2")
    yield Relation("rms", _close(v["rms"], v["l2"] / math.sqrt(values), 1e-9), "must be l2 / √(number of values)")
    psnr = math.inf if v["rms"] == 0 else -20 * math.log10(v["rms"]) if v["rms"] > 0 else math.nan
    yield Relation("psnr", _close(v["psnr"], psnr, 1e-9), "must be −20·log10(rms)")
    yield Relation("ssim", -1 <= v["ssim"] <= 1 + _ROUNDING, "must be from -1 to 1")
    if trace is not None:
        for name, value in (("l2", trace.l2), ("linf", trace.linf)):
            # Step 0 of a trace is the first iterate, for some rules a random one; the row has that or the clean image.
            if value is not None and (row.get("kept_step") != 0 or v[name] != 0):
                yield Relation(name, _close(v[name], value, _TRACED), f"its trace says {value:.6g} at the kept step")
    column = NORM_COLUMNS.get(str(row["norm"]))
    if budget is not None and column is not None:
        most, over = budget + _ROUNDING * max(1, budget), f"is over its budget of {budget:.6g}"
        yield Relation(column, v[column] <= most, over)
        over = f"{over} by more than rounding can be"
        yield Relation(f"adv8_{column}", file[column] <= most + rounding[column], over)


def outcome(row: Mapping[str, Any], case: Case, judge: Criterion) -> Iterator[Relation]:
    """Relations of the success and the scores of the result."""
    v = numbers(row)
    for name in ("iou_target", "iou_truth", "pixel_acc_target", "pixel_acc_truth", "dice_truth"):
        yield Relation(f"adv_{name}", 0 <= v[f"adv_{name}"] <= 1, "must be from 0 to 1")
    yield Relation("success", isinstance(row["success"], bool), "must be true or false")
    yield from _class_scores(row, "adv_class_iou_target")
    judged = judged_score(row, case, judge)
    if judged is None:
        return
    score = 1 - v[f"adv_{judged}"] if (judge.metric, judge.reference) == ("apsr", "truth") else v[f"adv_{judged}"]
    if row["at_floor"] and not row["stop"]:
        yield Relation(
            "at_floor", abs(score - judge.limit) <= _TIES, f"adv_{judged}={row[f'adv_{judged}']} can be improved"
        )
    holds = bool(judge.holds(torch.tensor(score, dtype=torch.float64)))
    # A result with a gradient that was not finite may be no success in spite of its scores.
    fits = row["success"] == holds or (bool(row["nonfinite_gradient"]) and not row["success"])
    yield Relation("success", fits, f"adv_{judged}={row[f'adv_{judged}']} says otherwise")


def judged_score(row: Mapping[str, Any], case: Case, judge: Criterion) -> str | None:
    """What the judge judges, as columns of scores call it after their prefix; None: no column has that."""
    # Of one class the row has IoUs, but not those that the judge gives to a class that the target erases.
    judged = _JUDGED.get((judge.metric, judge.reference)) if judge.index is None else None
    same_pixels = bool((case.valid == case.target_valid).all())
    background = NO_LABEL if row["overlapping"] else row["background"]
    left = judge.judges_what_is_left(case.target, case.target_valid, background)
    fits = same_pixels or (judge.reference == "target") == bool(row["targeted"])
    return judged if fits and not left else None


def _class_scores(row: Mapping[str, Any], name: str) -> Iterator[Relation]:
    """One IoU, or null, for each class that the row names; their mean over foreground classes is that of the row."""
    values, count = row[name], row["classes"]
    count = label_count(count) if row["overlapping"] else count
    known = isinstance(values, list) and len(values) == count
    known = known and all(value is None or (isinstance(value, float) and 0 <= value <= 1) for value in values)
    yield Relation(name, known, "must have one value from 0 to 1, or null, for each class")
    if known:
        hidden = None if row["overlapping"] else row["background"]
        foreground = [value for place, value in enumerate(values) if place != hidden and value is not None]
        mean = sum(foreground) / len(foreground) if foreground else 1.0
        total = row[name.replace("class_", "")]
        yield Relation(
            name, isinstance(total, float) and _close(mean, total, _ROUNDING), f"has mean {mean!r}, not {total!r}"
        )


def counts_of(row: Mapping[str, Any], case: Case, classes: int) -> tuple[dict[str, Tensor], list[Relation]]:
    """Confusion counts (K, K) by prediction, and a relation for each.

    Left out are counts that do not add up to the pixels of the truth.
    """
    kinds = torch.arange(classes).view(-1, 1, 1)
    labelled = ((case.truth == kinds) & case.valid).flatten(1).sum(1)
    tables, relations = {}, []
    for prefix in PREDICTIONS:
        listed = row[name := f"{prefix}_confusion_truth"]
        fits = isinstance(listed, list) and len(listed) == classes**2 and all(c is not None and c >= 0 for c in listed)
        table = torch.tensor(listed).view(classes, classes) if fits else None
        if table is not None and torch.equal(table.sum(1), labelled):
            tables[prefix] = table
        what = f"must count {', '.join(map(str, labelled.tolist()))} pixels of the truth's classes"
        relations.append(Relation(name, prefix in tables, what))
    return tables, relations


def scores_from_counts(tables: Mapping[str, Tensor], background: int | None) -> dict[str, Any]:
    """The columns of scores to the truth that follow from the confusion counts of a row."""
    columns: dict[str, Any] = {}
    for prefix, counts in tables.items():
        columns[f"{prefix}_iou_truth"] = metrics.iou(counts, background).item()
        columns[f"{prefix}_pixel_acc_truth"] = metrics.pixel_accuracy(counts).item()
        columns[f"{prefix}_dice_truth"] = metrics.dice(counts, background).item()
        columns[f"{prefix}_class_iou_truth"] = class_scores(counts, background)
    return columns


def _most(value: float, bound: float) -> bool:
    return value <= bound * (1 + _ROUNDING) + 1e-12


def _close(value: float, other: float, tolerance: float) -> bool:
    return value == other or math.isclose(value, other, rel_tol=tolerance, abs_tol=1e-12)
