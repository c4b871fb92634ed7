"""A run with warm starts is as recorded; a start or a point that was changed is named, and made again."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import main
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.points import load_point, point_sha256, save_point
from tests.fixtures.made_once import made_once
from tests.fixtures.spoilt import columns_of, rewrite

GRID = (
    *("experiment=smoke", "trainer=cpu", "attack=pgd", "attacks.pgd.rule.targeted=false", "judge=iou_truth"),
    *("engine.max_passes=null", "attacks.pgd.max_steps=6", "attacks.pgd.stop=false", "attacks.pgd.keep=score"),
    *(
        "budgets=[2,0.5,1]",
        "warm_start=true",
        "warm_passes=0.5",
        "cold_images=1",
        "data.n_test=2",
        "engine.precision=64",
        "run.montage=0",
    ),
)


@pytest.fixture(scope="module")
def whole(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three budgets on two images."""

    def make(folder: Path) -> None:
        checkpoint = f"victim.ckpt={trained / 'checkpoints' / 'best.ckpt'}"
        assert main(["attack", checkpoint, *GRID, f"run.dir={folder / 'run'}"]) == 0

    return made_once(tmp_path_factory, "warm", make) / "run"


@pytest.fixture
def grid(whole: Path, tmp_path: Path) -> Path:
    """A copy of it without its report, to be spoilt."""
    report = shutil.ignore_patterns("report.html", "comparison.md", "curves.png", "summary.json")
    return Path(shutil.copytree(whole, tmp_path / "run", ignore=report))


def test_warm_starts_are_as_recorded(command: Callable[..., Any], whole: Path) -> None:
    outcome = command("verify", whole)
    assert outcome.status == 0, outcome
    summary = json.loads((whole / "summary.json").read_text())
    warm = {one["attack"]: one["warm_start"] for one in summary["attacks"]}
    assert warm["pgd@0.5"] is None
    assert [warm[name]["start_from"] for name in ("pgd@1", "pgd@2")] == ["pgd@0.5", "pgd@1"]
    assert all(warm[name]["cold"]["images"] == 1 for name in ("pgd@1", "pgd@2"))
    assert "Warm starts" in (whole / "comparison.md").read_text()


@pytest.mark.slow
@pytest.mark.parallel
def test_warm_starts_come_out_again(command: Callable[..., Any], whole: Path) -> None:
    outcome = command("verify", whole, "--rerun", "2")
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
def test_an_edited_point_is_named_and_made_again(command, mismatches, grid: Path, whole: Path) -> None:
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
    rows, others = ([{**r, "run": "", "seconds": 0} for r in tables.read(f).to_pylist()] for f in (grid, whole))
    assert rows == others


def test_an_edited_start_is_named(mismatches, grid: Path) -> None:
    row = _row(grid, "pgd@1", start_sha256="0" * 64)
    assert columns_of(mismatches(grid), _place(row)) == {"start_sha256"}


@pytest.mark.slow
@pytest.mark.parallel
def test_a_point_that_was_edited_with_its_hash_is_not_that_of_the_picture(mismatches, grid: Path) -> None:
    row = next(row for row in tables.read(grid).to_pylist() if row["attack"] == "pgd@0.5")
    path = RunFolder(grid).point("pgd@0.5", row["id"])
    point = (load_point(path, inside=grid) * 0.9).clip(0, 1)
    save_point(point, path)
    _row(grid, "pgd@0.5", point_sha256=point_sha256(point))
    lines = mismatches(grid)
    assert f"{_place(row)}point_sha256: its point, rounded, is not the saved image" in lines
    assert any(": start_sha256: row says " in line and "pgd@0.5 has kept" in line for line in lines)


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize(
    ("attack", "values", "column"),
    [
        ("pgd@1", {"at_floor": True}, "at_floor"),
        ("pgd@1", {"passes_saved": 0}, "passes_saved"),
        ("pgd@1", {"start_from": None}, "start_from"),
        ("pgd@0.5", {"start_sha256": "0" * 64}, "start_sha256"),
        ("pgd@2", {"point_sha256": "0" * 64}, "point_sha256"),
        ("pgd@0.5", {"cold_start_iou_truth": 0.5}, "cold_start_iou_truth"),
    ],
)
def test_a_claim_about_a_start_is_named(mismatches, grid: Path, attack: str, values: dict, column: str) -> None:
    row = _row(grid, attack, **values)
    assert column in columns_of(mismatches(grid), _place(row))


@pytest.mark.slow
@pytest.mark.parallel
def test_a_cold_start_that_was_left_out_is_named(mismatches, grid: Path) -> None:
    names = ("steps", "passes", "success8", "iou_target", "iou_truth")
    chosen = next(row for row in tables.read(grid).to_pylist() if row["cold_start_passes"] is not None)
    values = {f"cold_start_{name}": None for name in names}
    rewrite(grid, lambda rows: [r | values if r["id"] == chosen["id"] else r for r in rows])
    lines = mismatches(grid)
    assert f"{_place(chosen)}cold_start_passes: row says None, the image is one of those that start cold, too" in lines
