"""The tables of a run: whether every row is there, once, and what its traces say of the rows."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmark.criterion import Criterion
from benchmark.past_runs.mismatch import RESUME, Mismatch
from benchmark.runs.folder import RunFolder
from benchmark.runs.tables import RECORDS, TRACES
from benchmark.verify.relations import Trace

Key = tuple[str, str]


def has_ended(run: RunFolder, environment: Mapping[str, Any]) -> bool:
    """Whether the attack epoch of the run has ended: a run that has rows for all of its images records that.

    Merged rows alone do not show it: they can be put back into parts.
    """
    merged = RECORDS.merged(run.path).exists() and not RECORDS.parts(run.path)
    return merged or run.summary_file.exists() or environment.get("shares") is not None


def missing_rows(
    rows: Sequence[Mapping[str, Any]], attacks: Collection[str] | None, ids: Sequence[str]
) -> Iterator[Key]:
    """The (attack, id) of the plan that have no row.

    Args:
        rows: of the run.
        attacks: names of the attacks of the run; None: those that have rows.
        ids: of the images that the run attacks.
    """
    there = {(row["attack"], row["id"]) for row in rows}
    names = sorted({row["attack"] for row in rows}) if attacks is None else list(attacks)
    return (key for key in product(names, ids) if key not in there)


def table_mismatches(run: RunFolder, missing: Collection[Key], *, ended: bool) -> Iterator[Mismatch]:
    """Rows that the table holds more than once and, if the attack epoch has ended, those that are `missing`."""
    for attack, image_id in RECORDS.repeated(run.path):
        yield Mismatch(f"{attack} / {image_id}", "there are several rows of this attack and image", column="id")
    if ended:
        for attack, image_id in missing:
            yield Mismatch(f"{attack} / {image_id}", "the row is missing", RESUME, "id")


def kept_traces(folder: Path, rows: Sequence[Mapping[str, Any]], judge: Criterion | None = None) -> dict[Key, Trace]:
    """The `Trace` of each row that has one; `judge` is that of the run."""
    if not TRACES.exists(folder):
        return {}
    table = TRACES.read(folder, altered=True)
    read = table.select(("attack", "id", "step", "l2", "linf")).to_pydict()
    refusals = refused(judge, table["iou"].to_pylist(), table["pixel_acc"].to_pylist())
    known = {(row["attack"], row["id"]): row for row in rows}
    traces: dict[Key, Trace] = {}
    for (attack, image_id, step, l2, linf), refuses in zip(zip(*read.values(), strict=True), refusals, strict=True):
        key = (attack, image_id)
        before, row = traces.get(key, Trace(step, None, None, points=0)), known.get(key, {})
        # The table is in the order of steps.
        if step == row.get("kept_step"):
            before = before._replace(l2=l2, linf=linf)
        judged = judge is not None and row.get("targeted") == (judge.reference == "target")
        if judged and refuses and step == before.refused:
            before = before._replace(refused=step + 1)
        traces[key] = before._replace(last=step, points=before.points + 1)
    return traces


def refused(judge: Criterion | None, iou: Sequence[float | None], pixel_acc: Sequence[float | None]) -> list[bool]:
    """Whether the judge refuses each step of a trace, by the trace's IoU and pixel accuracy to its own reference."""
    if judge is None or judge.classes != "mean" or judge.metric not in ("iou", "apsr"):
        return [False] * len(iou)
    values = iou if judge.metric == "iou" else pixel_acc
    scores = torch.tensor([math.nan if value is None else value for value in values], dtype=torch.float64)
    if judge.metric == "apsr" and judge.reference == "truth":
        scores = 1 - scores
    return (~judge.holds(scores) & ~scores.isnan()).tolist()
