"""`adversarial_training=...` from the command line."""

import csv
from pathlib import Path

import pytest

from benchmark.victims.loading import load_victim

TRAIN = ("experiment=smoke", "trainer=cpu")


@pytest.mark.parametrize("name", ["pgd_at", "segpgd_at", "asma_at"])
def test_a_victim_is_hardened_and_both_ious_are_logged(command, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    options = (
        f"adversarial_training={name}",
        "adversarial_training.max_steps=1",
        "adversarial_training.warmup_epochs=1",
        f"run.dir={run}",
    )
    outcome = command("train", *TRAIN, *options)
    assert outcome.status == 0, outcome
    # The best epoch is the one that stands the attack best.
    assert "best val/iou_attacked" in outcome.out
    with (run / "metrics.csv").open() as file:
        logged = [row for row in csv.DictReader(file) if row["val/iou_attacked"]]
    assert len(logged) == 2
    assert all(0 <= float(row[key]) <= 1 for row in logged for key in ("val/iou", "val/iou_attacked"))
    load_victim(run / "checkpoints" / "best.ckpt")


def test_an_input_transform_is_not_what_trains(refused) -> None:
    line = refused("defence=pgd_at")
    assert "defence=pgd_at: defence= names transforms applied to adversarial images" in line
    assert "give adversarial_training=pgd_at" in line


def test_wrong_values_are_one_line(refused) -> None:
    assert "adversarial_training.share=2: must be above 0 and at most 1" in refused(
        "adversarial_training=pgd_at", "adversarial_training.share=2"
    )
    assert "unknown key 'adversarial_training.shore'" in refused(
        "adversarial_training=pgd_at", "+adversarial_training.shore=1"
    )
    assert "adversarial_training.share: no attack to train on" in refused("adversarial_training.share=.5")
    assert "perturb='padding': must be 'image' or 'input'" in refused("perturb=padding")
