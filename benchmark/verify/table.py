"""The tables of a run: whether every row is there, once, and what its traces say of the rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

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


def kept_traces(folder: Path, rows: Sequence[Mapping[str, Any]]) -> dict[Key, Trace]:
    """The `Trace` of each row that has one."""
    if not TRACES.exists(folder):
        return {}
    columns = ("attack", "id", "step", "l2", "linf")
    read = TRACES.read(folder, altered=True).select(columns).to_pydict()
    kept = {(row["attack"], row["id"]): row["kept_step"] for row in rows}
    traces: dict[Key, Trace] = {}
    for attack, image_id, step, l2, linf in zip(*read.values(), strict=True):
        key = (attack, image_id)
        before = traces.get(key, Trace(step, None, None, points=0))
        # The table is in the order of steps.
        if step == kept.get(key):
            before = before._replace(l2=l2, linf=linf)
        traces[key] = before._replace(last=step, points=before.points + 1)
    return traces
