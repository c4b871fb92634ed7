"""Summaries of rows: the numbers of summary.json, of the tables and of the dashboards."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from benchmark.errors import InputError
from benchmark.label_subsets import are_subsets
from benchmark.results.class_scores import by_class
from benchmark.results.column_arrays import Rows, attacked_rows, column, flag, groups_of, shared
from benchmark.results.confusion_counts import confusion_to_truth, kind_of
from benchmark.results.intervals import rate
from benchmark.results.statistics import NORMS, describe, describe_norms, describe_success_passes
from benchmark.results.structure_size import by_size
from benchmark.results.target_strata import by_target, target_counts
from benchmark.results.warm_start_costs import warm_start
from benchmark.results.worst_case import worst_cases
from benchmark.runs.folder import RunFolder
from benchmark.runs.row_schema import PREDICTIONS, SCHEMA
from benchmark.runs.tables import group_rows

LABELS = ("run", "victim", "data", "split", "labels", "target", "judge")
"""Columns that name what was measured; a summary has their value, or their values joined by ", "."""

FACTS = ("family", "norm", "eps", "targeted", "equal_norm")
"""Columns that describe the attack; a summary has the value that all rows share, null if they differ."""

COSTS = ("steps", "forwards", "backwards", "passes", "zero_gradients", "seconds")

SCORES = tuple(
    field.name
    for field in SCHEMA
    if field.name.split("_")[0] in PREDICTIONS and field.name not in NORMS and field.type == pa.float64()
)

_TRANSFORMED = re.compile(r"(clean_)?([a-z0-9]+)_(iou_(?:target|truth))")


class Summary(NamedTuple):
    """The content of summary.json: one summary per attack, and the worst cases over sets of attacks."""

    attacks: list[dict[str, Any]]
    worst_case: list[dict[str, Any]]

    def document(self) -> dict[str, Any]:
        """The summary itself if there is one attack, else {"attacks": [...], "worst_case": [...]}."""
        return self.attacks[0] if len(self.attacks) == 1 else self._asdict()


def make_summary(rows: pa.Table) -> Summary:
    """The summaries of all attacks among the rows, and their worst cases; raises as `summarise` does."""
    return Summary(summarise(rows), _strict(worst_cases(rows)))


def summarise(rows: pa.Table) -> list[dict[str, Any]]:
    """One summary per attack, in alphabetical order.

    - `attacked` images are those whose clean image did not satisfy the judge; the others are `already_satisfied`.
    - `success_rate` and `success8_rate` are shares of the attacked images, with Wilson intervals; null without any.
    - Costs and scores are over all images, with mean, sample standard deviation `std` (n - 1), median and quartiles.
      `ci95` and `median_ci95` are seeded bootstrap intervals over groups, over images where no group is known.
    - Norms are over the `count` successes among the attacked images; the rest are `failures`. `median_all` is the
      median over all attacked images with failures infinite; it and the bounds of its interval are null where they are
      not finite. `median_all8` of l1, l2 and linf is the same for the 8-bit files.
    - `success_passes` are the passes to the first success, with the same keys.
    - `by_size` has the results by the size of the structure, `by_target` those of erased and other targets if there are
      both, `input_transforms` the scores after input transforms if the rows have them.
    - `warm_start` has what starts from the results of another attack cost and saved, null if there were none.
    - `targets_redrawn`, `targets_too_close` and `targets_erased` count targets that were drawn again, that stayed too
      close to the truth or to the clean prediction, and that show no structure, or not the one class or label that is
      erased or judged. `judged_by_area` counts those of which success asks for at most 1 % of the area, not an overlap.
    - `dataset` comes from confusion counts summed over all images: `*_miou*` is the mean IoU over all classes with the
      background; `*_foreground_iou*` is the IoU of the foreground, with more than two classes its mean over them. Both
      leave out classes that occur neither in the truth nor in a prediction. Of labels that overlap both are the mean.
    - `classes` has, for each class or label by its name, the means of its IoUs over the images in which it occurs. See
      `by_class` for those whose target erases it.

    Raises InputError if rows of one attack have different numbers of classes.
    """
    listed = sorted(rows.to_pylist(), key=lambda row: (str(row["attack"]), str(row["id"])))
    by_attack = group_rows(listed, "attack")
    return [_strict(_summarise_attack(attack, group)) for attack, group in by_attack.items()]


def write_summary(rows: pa.Table, run: RunFolder) -> Summary:
    """Summarise the rows of a run and write its summary.json."""
    summary = make_summary(rows)
    run.write_summary(summary.document())
    return summary


def read_summary(run: RunFolder) -> list[dict[str, Any]]:
    """The attacks' summaries in the summary.json of a run. Raises InputError if it cannot be read."""
    document = run.summary()
    attacks = document.get("attacks", [document])
    if not (
        isinstance(attacks, list)
        and all(isinstance(one, dict) and isinstance(one.get("attack"), str) for one in attacks)
    ):
        raise InputError(f"{run.summary_file}: names no attacks; restore what the run wrote")
    return attacks


def _summarise_attack(attack: str, rows: Rows) -> dict[str, Any]:
    groups, attacked = groups_of(rows), attacked_rows(rows)
    summary: dict[str, Any] = {
        "attack": attack,
        **{name: ", ".join(dict.fromkeys(_label(row, name) for row in rows if row[name])) for name in LABELS},
        **{name: shared(rows, name) for name in FACTS},
        "images": len(rows),
        "skipped": max((row["skipped"] or 0 for row in rows), default=0),
        "training_images": sum(row["split"] == "train" for row in rows),
        "attacked": len(attacked),
        "already_satisfied": len(rows) - len(attacked),
        **target_counts(rows),
        "nonfinite_gradient": sum(bool(row["nonfinite_gradient"]) for row in rows),
        "no_gradient": sum(row["backwards"] > 0 and row["zero_gradients"] >= row["backwards"] for row in rows),
    }
    for name in ("success", "success8"):
        summary |= rate(f"{name}_rate", flag(attacked, name))
    summary |= describe({name: column(rows, name) for name in (*COSTS, *SCORES)}, groups)
    summary["success_passes"] = describe_success_passes(rows, groups)
    summary |= describe_norms(rows, groups)
    summary["dataset"] = _dataset_scores(attack, rows)
    summary |= {"classes": by_class(rows), "overlapping": bool(shared(rows, "overlapping"))}
    summary |= {"by_size": by_size(rows), "by_target": by_target(rows)}
    summary["warm_start"] = warm_start(rows)
    return summary | _input_transforms(rows, groups)


def _label(row: Mapping[str, Any], name: str) -> str:
    # After a colon, a row's target names its own map; before it stands the kind, which all rows of a summary share.
    return str(row[name]).split(":")[0] if name == "target" else str(row[name])


def _input_transforms(rows: Rows, groups: Sequence[object]) -> dict[str, Any]:
    """The scores after each input transform that the rows have columns of; the attacks did not adapt to them."""
    matches = {name: _TRANSFORMED.fullmatch(name) for name in rows[0] if name not in SCHEMA.names}
    names = {name: match for name, match in matches.items() if match}
    if not names:
        return {}
    described = describe({name: column(rows, name) for name in names}, groups)
    scores: dict[str, Any] = {}
    for name, match in names.items():
        scores.setdefault(match[2], {})[(match[1] or "") + match[3]] = described[name]
    return {"input_transforms": scores | {"adaptive": False}}


def _dataset_scores(attack: str, rows: Rows) -> dict[str, float]:
    import torch  # here, because it takes seconds to import and only these few sums need it

    from benchmark import metrics

    size, background = kind_of(rows, attack)
    scores = {}
    for prediction in PREDICTIONS:
        table = torch.from_numpy(confusion_to_truth(rows, prediction, size).sum(0))
        suffix = "" if prediction == "clean" else "_truth"
        every = background if are_subsets(background) else None
        scores[f"{prediction}_miou{suffix}"] = float(metrics.iou(table, background=every))
        scores[f"{prediction}_foreground_iou{suffix}"] = float(metrics.iou(table, background=background))
    return scores


def _strict(value: Any) -> Any:
    """The same value with None for NaN and infinities, which JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
