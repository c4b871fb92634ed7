"""Every file of a finished run, damaged in every way: healed or named, never wrong, never a traceback."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmark.runs import tables
from benchmark.runs.tables import TRACES
from tests.fixtures.attacked_twice import same_rows
from tests.fixtures.damage import DAMAGE, contents
from tests.fixtures.small_double import copied

PICTURES = ("pictures/", "adversarial/", "predictions/")
UNREAD = ("metrics.csv", "checkpoints/last.ckpt")
"""What `verify` does not look at: the record of the training, and a checkpoint that was not attacked."""

REPORTS = ("report.html", "comparison.md", "curves.png", "montage_asma.png", "montage_noise.png")
"""What may be missing: what anybody can make again from the other files. What is there has to be right."""


def _checked(command: Callable[..., Any], run: Path, before: Path, harmed: list[str]) -> None:
    """`verify` and `report` name what is harmed; `run.resume` heals it or names it; then all are content."""
    rows = tables.read(before).to_pylist()
    told = command("verify", run)
    if told.status == 0 and any(name.endswith(".parquet") for name in harmed):  # a byte that no value is made of
        assert tables.read(run) == tables.read(before)
        assert TRACES.read(run) == TRACES.read(before)
    elif told.status == 0:
        assert set(harmed) <= {*UNREAD} or (set(harmed) <= {*REPORTS} and not (run / harmed[0]).exists())
    else:
        assert told.status in (1, 2, 3)
        words = [*harmed, *(["trace: is missing"] if "traces.parquet" in harmed else [])]
        assert any(word in told.out + told.err for word in words), told
    shown = command("report", run)
    assert shown.status in (0, 2)
    assert shown.status == 0 or len(shown.err.splitlines()) == 1, shown.err
    resumed = command("run", f"run.resume={run}")
    assert "Traceback" not in told.err + shown.err + resumed.err
    if resumed.status != 0:
        (line,) = [line for line in resumed.err.splitlines() if line.startswith("error: ")]
        assert any(name in line for name in harmed), line
        return
    assert same_rows(run, rows)
    assert contents(run).keys() | {*UNREAD} >= contents(before).keys()
    assert command("verify", run).status == 0
    assert command("report", run).status == 0
    pictures = {name: content for name, content in contents(before).items() if name.startswith(PICTURES)}
    assert {name: content for name, content in contents(run).items() if name.startswith(PICTURES)} == pictures


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("how", DAMAGE)
def test_files_other_than_pictures(command, small_double: Path, tmp_path: Path, how: str) -> None:
    names = [name for name in contents(small_double) if not name.startswith(PICTURES)]
    assert {"config.yaml", "environment.json", "splits.json", "records.parquet", "report.html"} <= {*names}
    for number, name in enumerate(names):
        run = copied(small_double, tmp_path / f"run{number}")
        DAMAGE[how](run / name, Random(f"{how} {name}"))
        _checked(command, run, small_double, [name])


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("turn", range(len(DAMAGE)))
def test_pictures(command, small_double: Path, tmp_path: Path, turn: int) -> None:
    """Every picture is damaged once in each of the ways, all of them at the same time."""
    run, ways = copied(small_double, tmp_path / "run"), [*DAMAGE]
    names = [name for name in contents(small_double) if name.startswith(PICTURES)]
    for number, name in enumerate(names):
        DAMAGE[ways[(number + turn) % len(ways)]](run / name, Random(name))
    _checked(command, run, small_double, names)
    for name in names:
        assert (run / name).read_bytes() == (small_double / name).read_bytes()
