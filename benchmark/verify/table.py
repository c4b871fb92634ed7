"""The tables of a run: whether every row is there, once, and what its traces say of the rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmark.past_runs.mismatch import Mismatch
from benchmark.runs.tables import RECORDS, TRACES
from benchmark.verify.bounds import Trace

Key = tuple[str, str]


def finished(folder: Path) -> bool:
    """Whether the attack epoch of the run has ended, so that its rows have been merged."""
    return RECORDS.merged(folder).exists() and not RECORDS.parts(folder)


def table_mismatches(
    folder: Path, rows: Sequence[Mapping[str, Any]], attacks: Collection[str] | None, ids: Sequence[str]
) -> Iterator[Mismatch]:
    """Rows that the table holds more than once and, in a finished run, images without a row.

    Args:
        folder: of the run.
        rows: of the run, each key once.
        attacks: names of the attacks of the run; None: those that have rows.
        ids: of the images that the run attacks.
    """
    for attack, image_id in RECORDS.repeated(folder):
        yield Mismatch(f"{attack} / {image_id}", "there are several rows of this attack and image", column="id")
    if finished(folder):
        there = {(row["attack"], row["id"]) for row in rows}
        names = sorted({row["attack"] for row in rows}) if attacks is None else list(attacks)
        for attack, image_id in product(names, ids):
            if (attack, image_id) not in there:
                yield Mismatch(f"{attack} / {image_id}", "the row is missing", column="id")


def kept_traces(folder: Path, rows: Sequence[Mapping[str, Any]]) -> dict[Key, Trace]:
    """The `Trace` of each row that has one."""
    if not TRACES.exists(folder):
        return {}
    columns = ("attack", "id", "step", "l2", "linf")
    kept = {(row["attack"], row["id"]): row["kept_step"] for row in rows}
    traces: dict[Key, Trace] = {}
    for attack, image_id, step, l2, linf in zip(*TRACES.read(folder).select(columns).to_pydict().values(), strict=True):
        key = (attack, image_id)
        # The table is in the order of steps. At step 0 it may have a random start where the row has the clean image.
        if step and step == kept.get(key):
            traces[key] = Trace(step, l2, linf)
        else:
            traces[key] = traces.get(key, Trace(step, None, None))._replace(last=step)
    return traces
