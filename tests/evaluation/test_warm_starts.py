"""A grid of budgets attacked in rising order: the rows, whatever interrupts or divides the work."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl

from benchmark.attacks.apgd import APGD
from benchmark.attacks.fgsm import FGSM
from benchmark.attacks.pgd import PGD
from benchmark.callbacks.attack_epoch import AttackEpoch
from benchmark.criterion import Criterion
from benchmark.distributed.process_group import ProcessGroup
from benchmark.distributed.sharding import Share
from benchmark.errors import InputError, Stopped
from benchmark.evaluation.kept_rows import drop_rows_not_done
from benchmark.evaluation.plan import Attack, Plan, expand
from benchmark.evaluation.row_writer import RowWriter, RunInfo
from benchmark.evaluation.warm_starts import WarmStart, cold_ids
from benchmark.runs import tables
from benchmark.runs.folder import RunFolder
from benchmark.runs.points import load_point, point_sha256, save_point
from benchmark.runs.row_schema import COLD_COLUMNS

GRID = {
    "pgd": Attack(PGD(targeted=False), max_steps=8, stop=False, keep="score", budgets=[4, 1, 2]),
    "sea": Attack(
        APGD(targeted=False, loss="js", shrinking=True), max_steps=8, stop=False, keep="score", budgets=[1, 2]
    ),
    "l2": Attack(PGD(targeted=False, norm=2), max_steps=8, stop=False, keep="score", budgets=[0.1, 0.3]),
    "fgsm": Attack(FGSM(targeted=False), max_steps=1, budgets=[2, 1]),
}
JUDGE = Criterion("iou", reference="truth", op="<=", value=0.1)
OWN = ("run", "seconds")  # columns in which two runs differ


@pytest.fixture
def grid(plan: Plan) -> Plan:
    """Three attacks at two or three budgets in float64, two images at once; of the five images two also start cold."""
    engine = {"slots": 2, "precision": 64}
    return replace(plan, attacks=expand(GRID, 0.25), judge=JUDGE, cold_images=2, engine=engine, background_writer=False)


@pytest.fixture
def attacked(grid: Plan, victim, data, make_trainer, tmp_path: Path):
    """Attacks what the rows of a folder lack, and returns all of its rows."""

    def attack(name: str, plan: Plan = grid, **options: Any) -> dict[tuple[str, str], dict[str, Any]]:
        folder = tmp_path / name
        done = {(row["attack"], row["id"]): row for row in _rows(folder)}
        epoch = AttackEpoch(plan, folder, run="run", victim="victim", progress=False, done=done, **options)
        trainer: pl.Trainer = make_trainer(epoch, inference_mode=False)
        trainer.test(victim, datamodule=data, verbose=False)
        return {(row["attack"], row["id"]): row for row in _rows(folder)}

    return attack


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows = tables.read(folder).to_pylist() if tables.RECORDS.exists(folder) else []
    return [{name: value for name, value in row.items() if name not in OWN} for row in rows]


def test_budgets_rise_and_each_starts_from_the_one_below() -> None:
    attacks = expand(GRID, 0.25)
    assert {name: attack.start_from for name, attack in attacks.items()} == {
        **{"pgd@1": None, "pgd@2": "pgd@1", "pgd@4": "pgd@2", "sea@1": None, "sea@2": "sea@1"},
        **{"l2@0.1": None, "l2@0.3": "l2@0.1"},
        **{"fgsm@2": None, "fgsm@1": None},  # whose one step is from the clean image
    }
    assert [attacks[name].steps for name in ("pgd@1", "pgd@2", "pgd@4")] == [8, 2, 2]
    assert [attacks[name].passes(40) for name in ("pgd@1", "pgd@2")] == [40, 10]
    assert all(attack.start_from is None and attack.steps == attack.max_steps for attack in expand(GRID).values())
    assert attacks["pgd@2"].cold() == replace(expand(GRID)["pgd@2"])


CHAIN = ["pgd@1", "sea@1", "pgd@2", "sea@2", "pgd@4"]


def test_in_a_chain_attacks_follow_one_another_within_a_budget() -> None:
    attacks = expand(GRID, 0.25, warm_chain=True)
    following = [name for name in attacks if name in CHAIN]
    assert following == CHAIN
    assert [attacks[name].start_from for name in CHAIN] == [None, *CHAIN[:-1]]
    assert [attacks[name].steps for name in CHAIN] == [8, 2, 2, 2, 2]
    assert (attacks["l2@0.3"].start_from, attacks["l2@0.1"].start_from) == ("l2@0.1", None), "another norm"
    assert attacks["fgsm@2"].start_from is None
    assert expand(GRID, None, warm_chain=True) == expand(GRID)
    falling = expand(GRID, 0.25, warm_chain=True, warm_falling=True)
    expected = ["pgd@4", "pgd@2", "sea@2", "pgd@1", "sea@1"]
    assert [name for name in falling if name in CHAIN] == expected
    assert [falling[name].start_from for name in expected] == [None, *expected[:-1]]


def test_each_attack_of_a_chain_is_as_strong_as_the_one_before(attacked, grid, monkeypatch) -> None:
    chain = replace(grid, attacks=expand({name: GRID[name] for name in ("pgd", "sea")}, 0.25, warm_chain=True))
    expected = attacked("whole", chain)
    for (attack, image_id), row in expected.items():
        below = expected.get((row["start_from"], image_id))
        assert row["start_sha256"] == (None if below is None else below["point_sha256"])
        assert below is None or row["adv_iou_truth"] <= below["adv_iou_truth"] + 1e-12
        assert (row["point_sha256"] is None) == (attack == CHAIN[-1])
    falling = replace(grid, attacks=expand({name: GRID[name] for name in ("pgd", "sea")}, 0.25, True, True))
    expected = attacked("falling", falling)
    _kill(attacked, monkeypatch, 9, falling)
    assert attacked("killed", falling) == expected


def test_every_row_names_the_point_that_it_started_from(attacked, tmp_path: Path) -> None:
    rows = attacked("run")
    folder = RunFolder(tmp_path / "run")
    for (attack, image_id), row in rows.items():
        kept = attack in ("pgd@1", "pgd@2", "sea@1", "l2@0.1")
        assert (row["point_sha256"] is not None) == kept == folder.point(attack, image_id).exists()
        if kept:
            point = load_point(folder.point(attack, image_id), inside=folder.path)
            assert point.dtype == "float64"
            assert row["point_sha256"] == point_sha256(point)
        below = rows.get((row["start_from"], image_id))
        assert row["start_sha256"] == (None if below is None else below["point_sha256"])
        if below is not None:
            assert row["adv_iou_truth"] <= below["adv_iou_truth"] + 1e-12
            assert row["passes_saved"] == 2 + 2 * 8 - row["passes"] > 0
        else:
            assert row["passes_saved"] is None


def test_the_smallest_budget_and_the_cold_starts_are_those_of_independent_runs(attacked, grid, data) -> None:
    warm, cold = attacked("warm"), attacked("cold", replace(grid, attacks=expand(GRID)))
    chosen = cold_ids(data.test_ids(), 2, grid.seed)
    assert len(chosen) == 2
    for key, row in warm.items():
        other = cold[key]
        if row["start_from"] is None:
            assert row == other | {"point_sha256": row["point_sha256"]}
        elif key[1] in chosen:
            columns = ("steps", "passes", "success8", "iou_target", "iou_truth")
            expected = [other["adv8_" + name if name.startswith("iou") else name] for name in columns]
            assert [row[name] for name in COLD_COLUMNS] == expected
            assert row["start_sha256"] is not None
        else:
            assert {row[name] for name in COLD_COLUMNS} == {None}


def _kill(attacked, monkeypatch: pytest.MonkeyPatch, after: int, *plan: Plan) -> None:
    """Attack in the folder "killed" until so many rows are written."""
    write, written = RowWriter.write, []

    def stopping(self: RowWriter, *finished: Any) -> Any:
        result = write(self, *finished)
        written.append(finished)
        if len(written) == after:
            raise Stopped(Stopped.TERMINATED)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(RowWriter, "write", stopping)
        with pytest.raises(Stopped):
            attacked("killed", *plan)


_SLOW = (pytest.mark.slow, pytest.mark.parallel)


@pytest.mark.parametrize("after", [9, *(pytest.param(rows, marks=_SLOW) for rows in (1, 20))])
def test_a_run_that_was_killed_goes_on_to_equal_rows(
    attacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    expected = attacked("whole")
    _kill(attacked, monkeypatch, after)
    assert after <= len(_rows(tmp_path / "killed")) < len(expected)
    assert attacked("killed") == expected


def test_two_processes_write_the_rows_of_one(attacked, grid, data, tmp_path: Path) -> None:
    expected = attacked("one")
    for rank in range(2):  # one after the other; a point may have been kept by either
        data.test_share = Share(range(5), ProcessGroup(rank, 2))
        with pytest.raises(RuntimeError, match="images have no row") if rank == 0 else nullcontext():
            attacked("two", grid)
    assert {(row["attack"], row["id"]): row for row in _rows(tmp_path / "two")} == expected


def test_other_slots_and_another_order_of_images_change_nothing(attacked, grid, data) -> None:
    expected = attacked("one")
    data.batch_size = 5
    data.test_share = Share([3, 0, 4, 2, 1], ProcessGroup())
    assert attacked("other", replace(grid, engine=grid.engine | {"slots": 5})) == expected


def test_a_point_that_was_changed_is_not_started_from(attacked, grid, data, tmp_path: Path) -> None:
    expected = attacked("run")
    folder, image_id = RunFolder(tmp_path / "run"), data.test_ids()[0]
    path = folder.point("pgd@1", image_id)
    point = load_point(path, inside=folder.path)
    save_point(point * 0.99, path)
    _write(tmp_path / "run", {key: row for key, row in expected.items() if key != ("pgd@2", image_id)})
    with pytest.raises(InputError, match=r"pgd@1/.*npz: is not the point that was kept; go on with the run"):
        attacked("run")
    info = RunInfo(plan=grid, data=data, run="run", victim="victim")
    _write(tmp_path / "run", expected)
    lines = list(drop_rows_not_done(folder, info, data.test_ids(), lambda: None))
    assert f"{path}: is not the point that was kept; the image is attacked again" in lines
    left = {(row["attack"], row["id"]) for row in _rows(tmp_path / "run")}
    assert expected.keys() - left == {(f"pgd@{budget}", image_id) for budget in (1, 2, 4)}
    assert attacked("run") == expected


def _write(folder: Path, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for path in tables.RECORDS.files(folder):
        path.unlink()
    tables.Writer(folder, tables.RECORDS).append([row | {"run": "run", "seconds": 0.1} for row in rows.values()])


def test_the_images_that_start_cold_depend_on_the_seed_alone() -> None:
    ids = [f"{number}" for number in range(50)]
    chosen = cold_ids(ids, 4, 0)
    assert cold_ids(ids[::-1], 4, 0) == chosen
    assert len(chosen) == 4
    assert cold_ids(ids, 4, 1) != chosen
    assert cold_ids(ids, 99, 1) == set(ids)
    assert cold_ids(ids, 2, 0) < chosen


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((True, 0.0, False, False, 4), "warm_passes=0: must be above 0 and at most 1"),
        ((True, 1.5, False, False, 4), "warm_passes=1.5: must be above 0"),
        ((True, 0.5, False, False, -1), "cold_images=-1: must be at least 0"),
    ],
)
def test_values_out_of_range_are_refused(values: tuple[bool, float, bool, bool, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WarmStart(*values)
    assert WarmStart(False, 0.5, True, False, 0).share is None


def test_passes_are_divided_too(attacked, grid) -> None:
    rows = attacked("passes", replace(grid, engine=grid.engine | {"max_passes": 40}))
    for row in rows.values():
        limit = 40 if row["start_from"] is None else 10
        assert row["passes"] <= limit
        assert row["passes_saved"] == (None if row["start_from"] is None else 40 - row["passes"])
    with pytest.raises(InputError, match=r"engine\.max_passes=7: allows pgd@2 no step; give at least 8"):
        attacked("few", replace(grid, engine=grid.engine | {"max_passes": 7}))
