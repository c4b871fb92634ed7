"""Frauds and mistakes in copies of runs: `verify` names them; the table of docs/verify.md is this one."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.frauds import (
    Fraud,
    attack_renamed,
    checkpoint_changed,
    column,
    configured,
    curves_swapped,
    data_changed,
    environment,
    is_failure,
    other,
    pixel_changed,
    row_doubled,
    rows_changed,
    rows_kept,
    split_reversed,
    split_shortened,
    stopped_early,
    summary_changed,
    swapped,
    text_edited,
    traces_changed,
)

CHANGED = (
    *("run", "attack", "family", "victim", "data", "split", "group", "target", "judge", "norm", "eps", "targeted"),
    *("seed", "height", "classes", "background", "valid_pixels", "target_draw", "target_draws", "target_too_close"),
    *("target_pixels", "iou_target_truth", "success8", "success_clean", "adv8_l1", "adv8_l2", "adv8_linf", "adv8_psnr"),
    *("adv8_iou_target", "adv8_iou_truth", "adv8_pixel_acc_target", "adv8_dice_truth", "adv8_confusion_truth"),
    *("clean_iou_target", "clean_iou_truth", "clean_confusion_truth", "adv_iou_truth", "adv_dice_truth", "success"),
    *("adv8_sha256", "pictures_sha256", "weights_sha256", "jpeg_iou_target", "clean_jpeg_iou_truth"),
    *("steps", "forwards", "backwards", "passes", "rms", "psnr"),
)
WORDS = {"target_draw": "has no draw 2"}
CHEAPER = {"passes": 4, "success_passes": 4}
DATA = ('"adv8_iou_target":[0.', '"adv8_iou_target":[1.')


def doubled(trace: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [step | {"l2": 2 * step["l2"]} for step in trace]


FRAUDS = [
    *(Fraud(f"one number of a row: {name}", column(name, other), WORDS.get(name, name)) for name in CHANGED),
    Fraud("a failure is a success", column("success8", lambda v: True), "success8"),
    Fraud("a failure that succeeded late", column("success_passes", lambda v: 22), "success_passes"),
    Fraud("a rival is stopped at step 3", stopped_early(), "trace ends"),
    Fraud(
        "a success is said to be cheaper",
        rows_changed(lambda r: {"passes": 4, "success_passes": 4}, failed=False),
        "passes",
    ),
    Fraud("a norm is said to be smaller", rows_changed(lambda r: {"l2": r["l2"] / 2, "rms": r["rms"] / 2}), "l2"),
    Fraud("the kept step is another", column("kept_step", lambda v: 0), "l2"),
    Fraud("more zero gradients than passes", column("zero_gradients", lambda v: 99), "zero_gradients"),
    Fraud("negative seconds", column("seconds", lambda v: -v), "seconds"),
    Fraud("ssim above 1", column("ssim", lambda v: 1.5), "ssim"),
    Fraud("a target that was never drawn", column("target_draw", lambda v: 5), "target"),
    Fraud("failures removed", rows_kept(lambda r: not is_failure(r)), "row is missing"),
    Fraud(
        "failures removed, rows in parts",
        rows_kept(lambda r: r["success8"] or r["attack"] != "pgd@8", parts=True),
        "row is missing",
    ),
    Fraud("an attack removed", rows_kept(lambda r: r["attack"] != "asma"), "row is missing"),
    Fraud("a row twice", row_doubled, "several rows"),
    Fraud("an attack renamed", attack_renamed, "no such attack"),
    Fraud("adversarial pictures exchanged", swapped("adversarial/pgd@8"), "adv8_sha256"),
    Fraud("clean pictures exchanged", swapped("pictures/clean"), "not the picture"),
    Fraud("targets exchanged", swapped("pictures/target"), "not the picture"),
    Fraud("predictions exchanged", swapped("predictions/pgd@8"), "predictions"),
    Fraud("a pixel of an adversarial picture", pixel_changed("adversarial/asma"), "adv8_sha256"),
    Fraud("a pixel of a truth", pixel_changed("pictures/truth"), "pictures"),
    Fraud("the judge's threshold moved", configured("judge.value", 0.01), "judge"),
    Fraud("a budget widened in the configuration", configured("attacks.pgd.budgets", [16]), "no such attack"),
    Fraud("the configuration edited", configured("attacks.asma.rule.tau", 1.0, hash_too=False), "config_sha256"),
    Fraud("passes raised", configured("engine.max_passes", 400), "max_passes"),
    Fraud("another seed", configured("seed", 7), "seed"),
    Fraud("another kind of target", configured("target", {"_target_": "benchmark.targets.erased.Erased"}), "target"),
    Fraud("another seed of targets that are the same with it", configured("target.seed", 1), "seed"),
    Fraud("a weaker transform", configured("defences.jpeg.quality", 99), "jpeg"),
    Fraud("another seed in the environment", environment(seed=7), "seed"),
    Fraud("another victim in the environment", environment(weights_sha256="0" * 64), "weights_sha256"),
    Fraud("other data in the environment", environment(data_fingerprint="0" * 64), "data_fingerprint"),
    Fraud("another command line", environment(overrides=["judge.value=0.99"]), "overrides"),
    Fraud("a split in another order", split_reversed, "splits.json"),
    Fraud("a split made smaller", split_shortened, "splits.json"),
    Fraud("a byte of the checkpoint", checkpoint_changed, "checkpoint"),
    Fraud("a pixel of the data", data_changed, "data_fingerprint"),
    Fraud("a number of the summary", summary_changed, "success8_rate"),
    Fraud("a number of comparison.md", text_edited("comparison.md", "50.0", "90.0"), "comparison.md"),
    Fraud("a number of report.html", text_edited("report.html", "50.0 %", "90.0 %"), "report.html"),
    Fraud(
        "the data of report.html",
        text_edited("report.html", '"adv8_iou_target":[0.', '"adv8_iou_target":[1.'),
        "report.html",
    ),
    Fraud("curves of another run", curves_swapped, "curves.png"),
    Fraud("steps of a trace removed", traces_changed(lambda rows: rows[:3] + rows[4:]), "trace"),
    Fraud(
        "norms of a trace changed", traces_changed(lambda rows: [r | {"l2": 2 * r["l2"]} for r in rows]), "trace says"
    ),
    # What a folder alone cannot show: `--rerun` can.
    Fraud("another ssim within bounds", column("ssim", lambda v: v * 0.99), None),
    Fraud("other seconds", column("seconds", lambda v: v / 10), None),
    Fraud("zero gradients within bounds", column("zero_gradients", lambda v: 1), None),
    Fraud("a claim of a gradient that was not finite", column("nonfinite_gradient", lambda v: True), None),
]


def planted(source: Path, folder: Path, fraud: Fraud) -> Path:
    def copy(one: str, target: str) -> None:
        (os.link if one.endswith(".ckpt") else shutil.copy)(one, target)

    copied = Path(shutil.copytree(source, folder, copy_function=copy))
    fraud.plant(copied)
    return copied


def assert_named(command: Callable[..., Any], folder: Path, fraud: Fraud) -> None:
    """`verify` names the fraud that is in the run's folder, or passes it where the table says so."""
    outcome = command("verify", folder)
    said = outcome.out + outcome.err
    if fraud.word is None:
        assert outcome.status == 0, said
    else:
        assert outcome.status in (1, 2), said
        assert fraud.word in said, said


def test_the_table_is_long_enough() -> None:
    assert len({fraud.name for fraud in FRAUDS}) == len(FRAUDS) >= 60
    assert sum(fraud.word is not None for fraud in FRAUDS) >= 0.95 * len(FRAUDS)


@pytest.mark.slow
@pytest.mark.parallel
@pytest.mark.parametrize("fraud", FRAUDS, ids=lambda fraud: fraud.name)
def test_a_fraud_is_named(command: Callable[..., Any], small_run: Path, tmp_path: Path, fraud: Fraud) -> None:
    assert_named(command, planted(small_run, tmp_path / "run", fraud), fraud)
