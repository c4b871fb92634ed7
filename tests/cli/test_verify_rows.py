"""One number of one row changed: the row and the column are named."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from benchmark.engine.model import AttackedModel
from benchmark.engine.precision import frozen
from benchmark.past_runs.open import open_run
from benchmark.past_runs.past_run import PastRun
from benchmark.runs.row_schema import COLD_COLUMNS, SCHEMA
from benchmark.verify.predictions import Predictions
from benchmark.verify.recorded import recorded_code
from benchmark.verify.rows import RowChecks
from benchmark.victims.loading import load_victim

DEFENDED = ("clean_jpeg_iou_truth", "jpeg_iou_target", "jpeg_iou_truth")
ONLY_HELD = {
    *("success", "steps", "kept_step", "forwards", "backwards", "success_passes", "zero_gradients", "seconds"),
    *("at_floor", *COLD_COLUMNS, "passes", "l0", "l1", "l2", "linf", "rms", "psnr", "ssim", "adv_confusion_truth"),
    *("adv_class_iou_target", "adv_class_iou_truth"),
    *(f"adv_{name}" for name in ("iou_target", "iou_truth", "pixel_acc_target", "pixel_acc_truth", "dice_truth")),
}
KEYS = {"attack", "id"}

RowMismatches = Callable[[Mapping[str, Any]], dict[str, str]]


class Checked(NamedTuple):
    """A run, what checks its rows, and a function from a row to column -> mismatch."""

    past_run: PastRun
    make_checks: Callable[[PastRun], RowChecks]
    checks: RowChecks
    mismatches: RowMismatches


@pytest.fixture(scope="module")
def run(small_run: Path) -> Iterator[Checked]:
    past_run, victim = open_run(small_run), load_victim(small_run / "checkpoints" / "best.ckpt")
    code = recorded_code(past_run)
    with frozen(victim, torch.float32):
        predictions = Predictions(AttackedModel(victim, 32), past_run, code.defences or {})

        def make_checks(past_run: PastRun) -> RowChecks:
            return RowChecks(past_run, code.attacks, predictions, "unet_mobilenet_v2")

        checks = make_checks(past_run)
        yield Checked(past_run, make_checks, checks, partial(_mismatches, past_run, checks))


def _mismatches(past_run: PastRun, checks: RowChecks, row: Mapping[str, Any]) -> dict[str, str]:
    (case,) = past_run.cases([row["id"]])
    return {mismatch.column: str(mismatch) for mismatch in checks.mismatches(row, case)}


def _chosen(rows: Sequence[Mapping[str, Any]], attack: str) -> dict[str, Any]:
    return dict(next(row for row in rows if row["attack"] == attack))


def _other(value: Any) -> Any:
    """The smallest change to a value of its kind that anybody would make."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [value[0] + 1, *value[1:]]
    if isinstance(value, float):
        return 1.0 if math.isinf(value) else value + 1e-6
    return value + 1 if isinstance(value, int) else f"{value}x"


def test_the_rows_of_a_run_are_as_recorded(run) -> None:
    rows, checks = run.past_run.rows, run.checks
    assert [run.mismatches(row) for row in rows] == [{}] * 6
    assert any(row["success8"] for row in rows)
    assert not all(row["success8"] for row in rows)
    assert checks.recomputed == set(SCHEMA.names) - ONLY_HELD - KEYS - {"nonfinite_gradient"} | {*DEFENDED, *KEYS}
    assert checks.bounded >= ONLY_HELD
    assert checks.unchecked == ["nonfinite_gradient"]


@pytest.mark.parametrize("name", [*sorted(set(SCHEMA.names) - ONLY_HELD - KEYS - {"nonfinite_gradient"}), *DEFENDED])
@pytest.mark.parametrize("attack", ["pgd@8", "noise@8"])
def test_a_value_that_can_be_made_again(run, attack: str, name: str) -> None:
    row = _chosen(run.past_run.rows, attack)
    changes = [_other(row[name])] if row[name] is not None else ["x", 0.5, 1]
    for value in changes if row[name] is None else [*changes, None]:
        mismatches = run.mismatches(row | {name: value})
        assert mismatches[name].startswith(f"{attack} / {row['id']}: {name}: row says {value!r}, "), mismatches


# A change, and the column that gives it away: its own, or one that follows from it.
@pytest.mark.parametrize(
    ("name", "change", "given_away"),
    [
        ("success", lambda v: not v, "success"),
        ("steps", lambda v: v + 2, "steps"),
        ("steps", lambda v: v - 5, "steps"),
        ("kept_step", lambda v: 99, "kept_step"),
        ("forwards", lambda v: v + 1, "passes"),
        ("backwards", lambda v: v - 1, "passes"),
        ("passes", lambda v: v - 1, "passes"),
        ("success_passes", lambda v: 99, "success_passes"),
        ("zero_gradients", lambda v: 99, "zero_gradients"),
        ("seconds", lambda v: -v, "seconds"),
        ("at_floor", lambda v: not v, "at_floor"),
        *((name, lambda v: 1, name) for name in COLD_COLUMNS),
        ("l0", lambda v: 1.0, "l0"),
        ("l1", lambda v: v * 1.3, "l1"),
        ("l2", lambda v: v * 1.00001, "rms"),
        ("linf", lambda v: v * 1.001, "linf"),
        ("rms", lambda v: v * 1.00001, "rms"),
        ("psnr", lambda v: v + 0.001, "psnr"),
        ("ssim", lambda v: 2.0, "ssim"),
        ("adv_iou_target", lambda v: 0.9, "success"),
        ("adv_iou_truth", lambda v: v + 1e-6, "adv_iou_truth"),
        ("adv_pixel_acc_target", lambda v: 1.5, "adv_pixel_acc_target"),
        ("adv_pixel_acc_truth", lambda v: v - 1e-6, "adv_pixel_acc_truth"),
        ("adv_dice_truth", lambda v: v + 1e-6, "adv_dice_truth"),
        ("adv_class_iou_target", lambda v: [v[0], v[1] + 1e-4], "adv_class_iou_target"),
        ("adv_class_iou_truth", lambda v: [v[0] + 1e-6, v[1]], "adv_class_iou_truth"),
        ("adv_confusion_truth", lambda v: [*v[:2], v[2] - 1, v[3] + 1], "adv_iou_truth"),
        ("adv_confusion_truth", lambda v: [v[0] + 1, *v[1:]], "adv_confusion_truth"),
    ],
)
def test_a_value_that_can_only_be_held_against_others(run, name: str, change: Any, given_away: str) -> None:
    row = next(dict(row) for row in run.past_run.rows if row["attack"] == "pgd@8" and not row["success"])
    mismatches = run.mismatches(row | {name: change(row[name])})
    assert mismatches[given_away].startswith(f"pgd@8 / {row['id']}: {given_away}: row says "), mismatches


def test_every_kind_of_column_is_among_these_tests() -> None:
    marks = test_a_value_that_can_only_be_held_against_others.pytestmark
    assert {case[0] for mark in marks for case in mark.args[1]} == ONLY_HELD


def test_an_attack_that_the_configuration_does_not_have(run) -> None:
    row = _chosen(run.past_run.rows, "pgd@8")
    assert "config.yaml has no such attack" in run.mismatches(row | {"attack": "pgd@9"})["attack"]


def test_a_copied_norm_is_compared_with_the_row_it_copies(run) -> None:
    rows = run.past_run.rows
    row = _chosen(rows, "noise@8")
    copied = next(other for other in rows if other["attack"] == row["equal_norm"] and other["id"] == row["id"])
    halved = [{**other, "linf": 0.5 * other["linf"]} if other is copied else other for other in rows]
    mismatches = _mismatches(run.past_run, run.make_checks(replace(run.past_run, rows=halved)), row)
    assert set(mismatches) == {"linf", "adv8_linf"}
    assert mismatches["linf"].endswith(f"is over its budget of {0.5 * copied['linf']:.6g}")
