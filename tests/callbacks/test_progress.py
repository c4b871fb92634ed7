"""What the progress bar of an attack epoch says."""

import torch

from benchmark.callbacks.progress import TrainingProgress
from benchmark.evaluation.progress import AttackProgress


def test_it_counts_images_slots_and_successes(capsys) -> None:
    progress = AttackProgress(3)
    progress.watch("asma", {"ids": ["a", "b"], "iou": torch.tensor([0.25, 0.75])})
    progress.done({"success8": True})
    progress.done({"success8": False})
    progress.refresh()
    progress.close()
    shown = capsys.readouterr().err
    assert "2/3" in shown
    assert "asma: 2 slots, IoU 0.500" in shown
    assert "success 1/2" in shown


def test_disabled_it_says_nothing(capsys) -> None:
    progress = AttackProgress(3, disable=True)
    progress.done({"success8": True})
    progress.close()
    assert capsys.readouterr().err == ""


def test_lightnings_bar_leaves_the_test_loop_alone() -> None:
    assert TrainingProgress().init_test_tqdm().disable
