"""The rows of a run as a table: whether all are there, once, and what its traces say of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.past_runs.mismatch import Mismatch
from benchmark.runs.tables import RECORDS, TRACES
from benchmark.verify.bounds import Trace

OPTIONAL = {"adv8_sha256"}
"""Columns that runs of earlier versions do not have."""

Key = tuple[str, str]


def finished(folder: Path) -> bool:
    """Whether the rows of the run have been merged: its attack epoch has ended."""
    return RECORDS.merged(folder).exists() and not RECORDS.parts(folder)


def table_faults(
    folder: Path, rows: Sequence[Mapping[str, Any]], attacks: Collection[str] | None, ids: Sequence[str]
) -> Iterator[Mismatch]:
    """Columns that are missing, rows that are there twice and, in a finished run, images without one.

    Args:
        folder: of the run.
        rows: of the run, each key once.
        attacks: names of what the run attacks with; None: those that have rows.
        ids: of the images it attacks.
    """
    file = f"{RECORDS.name}.parquet"
    for name in sorted(RECORDS.missing(folder) - OPTIONAL):
        yield Mismatch(file, "the column is missing", column=name)
    for attack, image_id in RECORDS.repeated(folder):
        yield Mismatch(f"{attack} / {image_id}", "there are several rows of this attack and image", column="id")
    if finished(folder):
        found = {(row["attack"], row["id"]) for row in rows}
        names = sorted({row["attack"] for row in rows}) if attacks is None else list(attacks)
        for attack, image_id in ((attack, image_id) for attack in names for image_id in ids):
            if (attack, image_id) not in found:
                yield Mismatch(f"{attack} / {image_id}", "the row is missing", column="id")


def kept_traces(folder: Path, rows: Sequence[Mapping[str, Any]]) -> dict[Key, Trace]:
    """What the traces say of rows, see `Trace`; rows without a trace are left out."""
    if not TRACES.exists(folder):
        return {}
    columns = ("attack", "id", "step", "l2", "linf")
    kept = {(row["attack"], row["id"]): row["kept_step"] for row in rows}
    traces: dict[Key, Trace] = {}
    table = TRACES.read(folder)
    for attack, image_id, step, l2, linf in zip(*(table[name].to_pylist() for name in columns), strict=True):
        before = traces.get((attack, image_id))
        # At step 0 there may be a random start, while what is kept is the clean image.
        if step and step == kept.get((attack, image_id)):
            traces[attack, image_id] = Trace(step, l2, linf)
        elif before is None:
            traces[attack, image_id] = Trace(step, None, None)
        else:
            traces[attack, image_id] = before._replace(last=max(before.last, step))
    return traces
