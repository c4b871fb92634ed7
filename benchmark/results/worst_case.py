"""The worst case over a set of attacks on the same images: for each image, the attack that works best.

The worst score of an image is the one nearest to the attacks' aim. The mean IoU of the data set is computed from all
images together, so the choice of attacks that minimises it cannot be made image by image; it is bounded instead. The
upper bound is the result of one choice of attacks: starting from the best single attack, images are swapped to other
attacks as long as the mean IoU falls. The lower bound is the mean of the minimum of each class, which one choice of
attacks may not reach. All scores are of the 8-bit files; the clean image is no candidate.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmark.label_subsets import are_subsets, membership
from benchmark.results.budget_sweeps import same_eps
from benchmark.results.column_arrays import Rows, column, flag, groups_of, joined, shared
from benchmark.results.confusion_counts import confusion_to_truth, kind_of
from benchmark.results.intervals import bootstrap_means, rate
from benchmark.runs.tables import group_rows

_GAIN = 1e-12  # a swap must lower the mean IoU by more than rounding can

_SHARED = ("targeted", "victim", "data", "labels", "norm")
_LOWEST = ("adv8_pixel_acc_truth", "adv8_iou_truth")

Counts = NDArray[np.int64]


def worst_cases(rows: pa.Table) -> list[dict[str, Any]]:
    """The worst case over each set of two or more attacks that have the same `targeted`, norm and budget.

    Controls, which copy another attack's norm, belong to no set. Images that an attack of the set has not finished are
    left out. `success8_rate` is the share of images on which any attack of the set succeeds. For untargeted sets
    `adv8_miou_truth` has the `lower` and `upper` bound, and `best_single` is the attack with the lowest mean IoU of the
    data set (all classes, background included). For targeted sets `adv8_iou_target` describes the highest IoU of each
    image, and `best_single` is the attack with the highest mean.

    Raises InputError if rows of one set have different numbers of classes.
    """
    listed = [row for row in rows.to_pylist() if row["targeted"] is not None and row["equal_norm"] is None]
    by_attack = group_rows(sorted(listed, key=lambda row: (row["attack"], row["id"])), "attack")
    sets: dict[tuple[Any, ...], list[str]] = {}
    for attack, attacked in by_attack.items():
        eps = shared(attacked, "eps")  # None if each image has its own
        key = (*(attacked[0][name] for name in _SHARED), None if eps is None else same_eps(eps))
        sets.setdefault(key, []).append(attack)
    cases = []
    for key, attacks in sets.items():
        named = dict(zip((*_SHARED, "eps"), key, strict=True))
        named |= {"split": joined(listed, "split"), "attacks": attacks}
        finished = set.intersection(*({row["id"] for row in by_attack[attack]} for attack in attacks))
        if len(attacks) >= 2 and finished:
            common = [[row for row in by_attack[attack] if row["id"] in finished] for attack in attacks]
            cases.append(named | _worst_case(common, attacks))
    return sorted(cases, key=_place)


def _place(case: Mapping[str, Any]) -> tuple[Any, ...]:
    """The sort key: untargeted sets first, then by norm, by rising budget and by attacks."""
    return case["targeted"], str(case["norm"]), case["eps"] is None, case["eps"], case["attacks"]


def _worst_case(by_attack: Sequence[Rows], attacks: Sequence[str]) -> dict[str, Any]:
    first = by_attack[0]
    attacked = ~flag(first, "success_clean")
    succeeded = np.stack([flag(rows, "success8") for rows in by_attack])[:, attacked]
    return {
        "images": len(first),
        "skipped": max((row["skipped"] or 0 for row in first), default=0),
        "training_images": sum(row["split"] == "train" for row in first),
        "attacked": int(attacked.sum()),
        **rate("success8_rate", np.asarray(succeeded.any(axis=0))),
        **(_to_target if first[0]["targeted"] else _to_truth)(by_attack, attacks),
    }


def _to_target(by_attack: Sequence[Rows], attacks: Sequence[str]) -> dict[str, Any]:
    scores = np.stack([column(rows, "adv8_iou_target") for rows in by_attack])
    single = scores.mean(1)
    best = int(single.argmax())
    return {
        "adv8_iou_target": _mean(scores.max(0), by_attack[0]),
        "best_single": _named(by_attack, attacks, best) | {"adv8_iou_target": float(single[best])},
    }


def _to_truth(by_attack: Sequence[Rows], attacks: Sequence[str]) -> dict[str, Any]:
    classes, background = kind_of([row for rows in by_attack for row in rows], f"worst case of {', '.join(attacks)}")
    counts = np.stack([confusion_to_truth(rows, "adv8", classes) for rows in by_attack], axis=1)
    single = miou(*overlaps(counts.sum(0), background))
    best = int(single.argmin())
    lowest = {name: np.stack([column(rows, name) for rows in by_attack]).min(0) for name in _LOWEST}
    return {
        **{name: _mean(values, by_attack[0]) for name, values in lowest.items()},
        "adv8_miou_truth": {"lower": lower_miou(counts, background), "upper": upper_miou(counts, background)},
        "best_single": _named(by_attack, attacks, best) | {"adv8_miou_truth": float(single[best])},
    }


def _named(by_attack: Sequence[Rows], attacks: Sequence[str], chosen: int) -> dict[str, Any]:
    return {"attack": attacks[chosen], "family": by_attack[chosen][0]["family"] or attacks[chosen]}


def _mean(values: NDArray[np.float64], rows: Rows) -> dict[str, Any]:
    (interval,) = bootstrap_means(values[:, None], groups_of(rows))
    return {"mean": float(values.mean()), "ci95": interval}


def overlaps(counts: Counts, background: int | None = None) -> tuple[Counts, Counts]:
    """Intersection and union of each class, or label if classes are subsets, in pixels; (..., K, K) -> two (..., N)."""
    labelled, predicted = counts.sum(-1), counts.sum(-2)
    if are_subsets(background):
        members = np.array(membership(counts.shape[-1]))
        labelled, predicted, counts = labelled @ members, predicted @ members, members.T @ counts @ members
    intersection = np.diagonal(counts, axis1=-2, axis2=-1)
    return intersection, labelled + predicted - intersection


def miou(intersection: Counts, union: Counts) -> NDArray[np.float64]:
    """Mean IoU over the classes that occur, 1 if none does; (..., K) -> (...).

    `metrics.iou` with all classes, or labels, as foreground, without PyTorch.
    """
    present = union > 0
    total = np.where(present, intersection / np.maximum(union, 1), 0.0).sum(-1)
    occurring = present.sum(-1)
    return np.where(occurring > 0, total / np.maximum(occurring, 1), 1.0)


def upper_miou(counts: Counts, background: int | None = None) -> float:
    """The lowest mean IoU of the data set that swapping images between attacks reaches, an upper bound.

    `counts` (N, A, K, K) are the confusion counts of each image and attack, `background` says if classes are subsets.
    """
    intersection, union = overlaps(counts, background)
    chosen = np.full(len(counts), miou(intersection.sum(0), union.sum(0)).argmin())
    images = np.arange(len(counts))
    inside, around = intersection[images, chosen].sum(0), union[images, chosen].sum(0)
    lowest, improved = float(miou(inside, around)), True
    while improved:
        improved = False
        for image in images:
            without = inside - intersection[image, chosen[image]], around - union[image, chosen[image]]
            candidates = miou(without[0] + intersection[image], without[1] + union[image])
            if candidates.min() < lowest - _GAIN:
                chosen[image], lowest, improved = candidates.argmin(), float(candidates.min()), True
                inside = without[0] + intersection[image, chosen[image]]
                around = without[1] + union[image, chosen[image]]
    return lowest


def lower_miou(counts: Counts, background: int | None = None) -> float:
    """The mean over classes of the lowest IoU that a choice of attacks gives the class, a lower bound.

    A class that the truth never has counts as 0 if it is predicted after any attack. Arguments as in `upper_miou`.
    """
    intersection, union = overlaps(counts, background)
    labelled = counts[:, 0].sum((0, 2)) > 0  # the truth, which all attacks share
    if are_subsets(background):
        labelled = labelled @ np.array(membership(len(labelled))) > 0
    lowest = [_lowest_ratio(intersection[..., k], union[..., k]) for k in np.flatnonzero(labelled)]
    occurring = int((union.sum((0, 1)) > 0).sum())
    return sum(lowest) / occurring if occurring else 1.0


def _lowest_ratio(part: Counts, whole: Counts) -> float:
    """The exact minimum of Σ part / Σ whole over choices of one attack per image, of (N, A) each (Dinkelbach 1967)."""
    images = np.arange(len(part))
    ratio = float(part[:, 0].sum() / whole[:, 0].sum())
    while True:
        # At the minimum no choice makes Σ (part − ratio · whole) negative.
        chosen = (part - ratio * whole).argmin(1)
        lower = float(part[images, chosen].sum() / whole[images, chosen].sum())
        if lower >= ratio:
            return ratio
        ratio = lower
