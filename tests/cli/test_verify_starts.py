"""A run with warm starts is as recorded; a start or a point that was changed is named, and made again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.points import load_point, save_point
from tests.fixtures.spoilt import columns_of, rewrite


@pytest.fixture
def grid(warm_run: Path, tmp_path: Path) -> Path:
    """A copy of it without its report, to be spoilt."""
    report = shutil.ignore_patterns("report.html", "comparison.md", "curves.png", "summary.json")
    return Path(shutil.copytree(warm_run, tmp_path / "run", ignore=report))


def test_warm_starts_are_as_recorded(command: Callable[..., Any], warm_run: Path) -> None:
    outcome = command("verify", warm_run)
    assert outcome.status == 0, outcome
    summary = json.loads((warm_run / "summary.json").read_text())
    warm = {one["attack"]: one["warm_start"] for one in summary["attacks"]}
    assert warm["pgd@0.5"] is None
    assert [warm[name]["start_from"] for name in ("pgd@1", "pgd@2")] == ["pgd@0.5", "pgd@1"]
    assert all(warm[name]["cold"]["images"] == 1 for name in ("pgd@1", "pgd@2"))
    assert "Warm starts" in (warm_run / "comparison.md").read_text()


@pytest.mark.slow
@pytest.mark.parallel
def test_warm_starts_come_out_again(command: Callable[..., Any], warm_run: Path) -> None:
    outcome = command("verify", warm_run, "--rerun", "2")
    assert outcome.status == 0, outcome


def _place(row: dict[str, Any]) -> str:
    return f"{row['attack']} / {row['id']}: "


def _row(folder: Path, attack: str, **values: Any) -> dict[str, Any]:
    """A row of the attack, after its values are changed in the table."""
    chosen = next(row for row in tables.read(folder).to_pylist() if row["attack"] == attack)
    place = (attack, chosen["id"])
    rewrite(folder, lambda rows: [r | values if (r["attack"], r["id"]) == place else r for r in rows])
    return chosen


@pytest.mark.slow
@pytest.mark.parallel
def test_an_edited_point_is_named_and_made_again(command, mismatches, grid: Path, warm_run: Path) -> None:
    row = next(row for row in tables.read(grid).to_pylist() if row["attack"] == "pgd@0.5")
    path = RunFolder(grid).point("pgd@0.5", row["id"])
    point = load_point(path, inside=grid)
    point[0, 0, 0] += 1e-12
    save_point(point, path)
    (line,) = mismatches(grid)
    assert line.startswith(f"{_place(row)}point_sha256: row says '{row['point_sha256']}', points/pgd@0.5/")
    assert line.endswith("is not the point that was kept")
    outcome = command("attack", f"run.resume={grid}")
    assert outcome.status == 0, outcome
    assert "3 of 6 rows are attacked again" in outcome.out
    rows, others = ([{**r, "run": "", "seconds": 0} for r in tables.read(f).to_pylist()] for f in (grid, warm_run))
    assert rows == others


def test_an_edited_start_is_named(mismatches, grid: Path) -> None:
    row = _row(grid, "pgd@1", start_sha256="0" * 64)
    assert columns_of(mismatches(grid), _place(row)) == {"start_sha256"}
